package main

// fairness are the scenarios about tenants beside each other.
func fairness() []scenario {
	return []scenario{
		{"quiet", "A quiet tenant behind 100,000 jobs of a noisy one", quiet},
		{"jain", "A hundred equally loaded tenants", equals},
		{"weights", "Weights 1 : 2 : 4", weights},
		{"many-active", "Many active tenants", manyActive},
		{"idle", "A thousand tenants that were busy once", idleTenants},
		{"filler", "Tenants that always fill the express bound, beside a backlogged one", fillers},
		{"rotation", "A thousand tenants backlogged at once", rotation},
		{"priorities", "Priorities", priorities},
	}
}
