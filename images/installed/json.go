package installed

import "encoding/json"

// An object is a JSON object by its keys, which count by their exact letters, the
// last of equal ones: so the owners of these files read them (Python's json,
// JavaScript), where encoding/json matches letters of either case.
type object map[string]json.RawMessage

// readObject reads a JSON object.
func readObject(data []byte) (o object, err error) {
	err = json.Unmarshal(data, &o)
	return o, err
}

// text is the string at a key; empty where there is none.
func (o object) text(key string) (s string) {
	if json.Unmarshal(o[key], &s) != nil {
		return ""
	}
	return s
}

// object is the object at a key; empty where there is none.
func (o object) object(key string) (inner object) {
	if json.Unmarshal(o[key], &inner) != nil {
		return nil
	}
	return inner
}

// texts is the list of strings at a key; what is no string is left out.
func (o object) texts(key string) (list []string) {
	var all []any
	if json.Unmarshal(o[key], &all) != nil {
		return nil
	}
	for _, one := range all {
		if s, ok := one.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// truthy reports whether Python takes a JSON value for true.
func truthy(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", "false", "0", `""`, "[]", "{}":
		return false
	}
	return true
}
