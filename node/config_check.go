package node

// Check returns the configuration with its defaults filled in, or refuses what
// [Start] would refuse about it alone. It touches no file and no network, so
// Start may still find fault with either.
func (c Config) Check() (Config, error) {
	err := c.check()
	return c, err
}
