package job

// Model is one model as the whole fleet serves it: the sum of the workers' offers.
type Model struct {
	Name        string   `json:"name"`
	Versions    []string `json:"versions"` // ascending; the last is latest
	Engine      string   `json:"engine"`
	Description string   `json:"description,omitempty"`
	Workers     int      `json:"workers"` // live workers that serve it
	Slots       int      `json:"slots"`
	Free        int      `json:"free"`
	Rate        float64  `json:"rate"`            // jobs ended a second over all workers
	Error       string   `json:"error,omitempty"` // why it is unavailable, when no worker can serve it
	About       About    `json:"about,omitzero"`  // of the latest version
}

// Has tells whether the model has that version; the empty version means the latest.
func (m *Model) Has(version string) bool {
	if version == "" {
		return true
	}
	for _, v := range m.Versions {
		if v == version {
			return true
		}
	}
	return false
}
