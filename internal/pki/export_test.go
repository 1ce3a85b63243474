package pki

// Seed is the seed of the CA's key, for the known answers.
func Seed(k *Keys) [32]byte { return k.seed.reveal() }

// Private is the rule of file modes, for owners that a test cannot become.
var Private = private
