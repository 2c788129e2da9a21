package fact

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// A Kind describes one kind of fact: its name, its plural and its fields.
type Kind struct {
	Name   string        // as in a fact line and in an expression
	Plural string        // name of the list in a check that judges the set
	Doc    string        // what a fact of the kind is
	Fresh  time.Duration // an older observation says nothing, unless a check sets its own limit
	Type   reflect.Type  // the kind's struct; Item for kind item
	Fields []Field       // in the order of the struct; empty for kind item
}

// A Field is one field of a kind or of a struct within it.
type Field struct {
	Name  string       // as in JSON and in an expression
	Doc   string       // what it means
	Enum  []string     // allowed values, if limited
	Ref   string       // kind of the fact that it names, if it is a reference
	Type  reflect.Type // the value's type, without Opt
	Opt   bool         // the source may leave it out
	Index int          // index in the struct
	Sub   []Field      // fields of the struct that it is or is a list of
}

const week = 7 * 24 * time.Hour

// Kinds lists every kind, sorted by name.
func Kinds() []Kind {
	return []Kind{
		describe(Account{}, "accounts", "an identity in a system: a person's, a service's or a shared one"),
		describe(Change{}, "changes", "a merged change, with its author, approvers and checks"),
		describe(Cluster{}, "clusters", "a set of machines that runs containers, as its control plane says"),
		describe(Namespace{}, "cluster_namespaces", "a part of a cluster with rights and network rules of its own"),
		describe(Collector{}, "collectors", "a source of Prumo as Prumo sees it, or a part of Prumo itself"),
		describe(Commit{}, "commits", "a commit on a default branch, and whether it came through review"),
		describe(Database{}, "databases", "a database server as configured"),
		describe(DatabaseRole{}, "database_roles", "a role of a database server"),
		describe(Device{}, "devices", "a computer or phone that a person works with"),
		describe(Domain{}, "domains", "a name in the DNS with its mail rules"),
		describe(Endpoint{}, "endpoints", "a host and port as seen from outside: its TLS and its HTTP"),
		describe(Environment{}, "environments", "a place that code is deployed to, with what guards the way there"),
		describe(Grant{}, "grants", "a right that somebody holds: a role over a scope"),
		describe(Host{}, "hosts", "a machine as it says about itself"),
		{Name: "item", Plural: "items", Doc: "anything of the customer's own, as a JSON object under data", Fresh: week, Type: reflect.TypeFor[Item]()},
		describe(LogSource{}, "log_sources", "a stream of events that is kept or watched"),
		describe(NetworkRule{}, "network_rules", "a rule that lets traffic in or out"),
		describe(Person{}, "people", "a human being who works for or with the organisation"),
		describe(Pipeline{}, "pipelines", "a definition of automated work over a repository"),
		describe(Record{}, "records", "a proof or a duty that people keep"),
		describe(Repository{}, "repositories", "a place where code lives, with the protection of its default branch"),
		describe(Secret{}, "secrets", "a key, token or certificate that opens something; never its value"),
		describe(Sensor{}, "sensors", "something that watches for intrusion"),
		describe(Storage{}, "storages", "a place for objects or files: a bucket, a share, a volume"),
		describe(Tenant{}, "tenants", "a space of accounts with rules of its own: an organisation on a code host, a directory, an identity provider"),
		describe(Vulnerability{}, "vulnerabilities", "a known weakness that a scanner, a tester or a reporter named"),
		describe(Workload{}, "workloads", "containers that a cluster runs, as they are defined"),
	}
}

// KindNamed finds a kind by its name.
func KindNamed(name string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Field finds a field of the kind by its name.
func (k Kind) Field(name string) (Field, bool) {
	i := slices.IndexFunc(k.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return k.Fields[i], true
}

func describe(d Data, plural, doc string) Kind {
	t := reflect.TypeOf(d)
	return Kind{Name: d.Kind(), Plural: plural, Doc: doc, Fresh: week, Type: t, Fields: fieldsOf(t)}
}

func fieldsOf(t reflect.Type) []Field {
	var out []Field
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("json"), ",")
		f := Field{Name: name, Doc: sf.Tag.Get("doc"), Ref: sf.Tag.Get("ref"), Type: sf.Type, Index: i}
		if e := sf.Tag.Get("enum"); e != "" {
			f.Enum = strings.Split(e, ",")
		}
		if inner, ok := optType(sf.Type); ok {
			f.Type, f.Opt = inner, true
		}
		f.Sub = subFields(f.Type)
		out = append(out, f)
	}
	return out
}

func subFields(t reflect.Type) []Field {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
		return fieldsOf(t)
	}
	return nil
}

// optType returns the T of an Opt[T].
func optType(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() != reflect.Struct || !strings.HasPrefix(t.Name(), "Opt[") {
		return nil, false
	}
	return t.Field(0).Type, true
}
