package hub

// Config is what values files make of a hub.
type Config struct{}

var valuesRules []Rule
