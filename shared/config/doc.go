// Package config fills one configuration struct from three places, the later over the earlier: the defaults that the
// struct already holds, one YAML file, and PENSTOCK_* variables. Whatever it does not know stops the process: an
// unknown key, an unknown PENSTOCK_* variable, a value that does not fit. All faults are reported at once, each with
// its key or variable, what is wrong with the value and, for the file, the line.
//
// A field takes part when it has a yaml tag:
//
//	type Config struct {
//		HTTPSAddr string       `yaml:"https_addr" env:"PENSTOCK_HTTPS_ADDR" doc:"where HTTPS is served"`
//		Limits    LimitsConfig `yaml:"limits"`
//	}
//
// The doc tag is the sentence that [Reference] prints. The package imports nothing of ours.
package config
