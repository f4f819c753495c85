package main

// fairness are the scenarios about tenants beside each other.
func fairness() []scenario {
	return []scenario{
		{"quiet", "A quiet tenant behind 100,000 jobs of a noisy one", quiet},
	}
}
