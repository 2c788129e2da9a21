package batch

import rego.v1

out contains line if { some f in input; some line in data.main.deny with input as f }
