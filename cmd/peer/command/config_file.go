package command

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readFile takes the keys of a configuration file. Nothing is overlooked: a key
// that nobody knows, or that stands there twice, is an error, since a cluster
// with a forgotten setting is found out on the wrong day.
func (s *settings) readFile(file string, text []byte) error {
	r := fileReader{s: s, file: file}
	d := yaml.NewDecoder(bytes.NewReader(text))
	for first := true; ; first = false {
		var doc yaml.Node
		switch err := d.Decode(&doc); {
		case err == io.EOF:
			return nil
		case err != nil:
			return mend(file+" is not YAML", strings.TrimPrefix(err.Error(), "yaml: "), "correct it, and look at it with config check")
		case !first:
			return mend(r.at(&doc)+": a second document begins here", "the file must be one", "remove the line of dashes")
		case len(doc.Content) == 1:
			if err := r.group("", doc.Content[0]); err != nil {
				return err
			}
		}
	}
}

type fileReader struct {
	s    *settings
	file string
}

func (r fileReader) at(n *yaml.Node) string { return fmt.Sprintf("%s:%d", r.file, n.Line) }

// group reads the keys under prefix: all of them, or those of "timing.".
func (r fileReader) group(prefix string, n *yaml.Node) error {
	name := strings.TrimSuffix(prefix, ".")
	if n.Kind != yaml.MappingNode {
		if name == "" {
			return mend(r.at(n)+": there are no keys here", "the file must be lines of the kind key: value", "write it as in cluster: acme")
		}
		return mend(fmt.Sprintf("%s: %s has the wrong shape", r.at(n), name), "it takes the keys "+strings.Join(names(prefix), ", "), fmt.Sprintf("write it as in %s: {%s: …}", name, names(prefix)[0]))
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		word, value := n.Content[i], n.Content[i+1]
		if before := lines[word.Value]; before > 0 {
			return mend(fmt.Sprintf("%s: the key %s is there twice", r.at(word), shown(prefix+word.Value)), fmt.Sprintf("it was set in line %d already", before), "remove one of the two")
		}
		lines[word.Value] = word.Line
		if err := r.key(prefix, word, value); err != nil {
			return err
		}
	}
	return nil
}

func (r fileReader) key(prefix string, word, value *yaml.Node) error {
	path := prefix + word.Value
	if word.Kind != yaml.ScalarNode || !slices.Contains(names(prefix), word.Value) {
		return r.unknown(prefix, word)
	}
	i := slices.IndexFunc(keys, func(k key) bool { return k.path == path })
	if i < 0 {
		return r.group(path+".", value)
	}
	k, origin := keys[i], r.at(word)
	switch {
	case value.Kind == yaml.AliasNode:
		return k.fault(origin, "is an alias", "aliases are not read here")
	case value.Kind == yaml.ScalarNode && (value.Tag == "!!null" || value.Value == ""):
		return k.fault(origin, "has no value", "a key that is not meant to be set must not be there")
	case value.Kind == yaml.ScalarNode && !k.isList():
		return k.set(r.s, origin, []string{value.Value})
	case value.Kind != yaml.SequenceNode || !k.isList():
		kind := "one value"
		if k.isList() {
			kind = "a list"
		}
		return k.fault(origin, "has the wrong shape", "it takes "+kind)
	}
	items := make([]string, len(value.Content))
	for i, item := range value.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return k.fault(r.at(item), "has the wrong shape", "it takes a list of single values; what begins with [ needs quotes")
		}
		items[i] = item.Value
	}
	return k.set(r.s, origin, items)
}

func (r fileReader) unknown(prefix string, word *yaml.Node) error {
	why := "the nearest is " + nearest(word.Value, names(prefix))
	if text, ok := notKeys[prefix+word.Value]; ok {
		why = text
	}
	return mend(fmt.Sprintf("%s: unknown key %s", r.at(word), shown(prefix+word.Value)), why, "correct or remove it, and look at it with config check")
}

// names are the keys under prefix, as the file has them.
func names(prefix string) []string {
	var out []string
	for _, k := range keys {
		rest, ok := strings.CutPrefix(k.path, prefix)
		name, _, _ := strings.Cut(rest, ".")
		if ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
