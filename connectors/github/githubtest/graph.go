package githubtest

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

//go:embed testdata/schema.graphql
var schemaText string

// publishedSchema reads GitHub's schema, once.
var publishedSchema = sync.OnceValues(func() (*ast.Schema, error) {
	return gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: schemaText})
})

// A denied is a field that the credential may not see.
type denied string

// A field is computed from the arguments of its query.
type field = func(args map[string]any) any

// an answering is one query at work.
type answering struct {
	vars   map[string]any
	errors []object
}

func (c *call) graphQL() {
	var in struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}
	if !c.read(&in) {
		return
	}
	schema, err := publishedSchema()
	if err != nil {
		panic(err)
	}
	doc, errs := gqlparser.LoadQueryWithRules(schema, in.Query, rules.NewDefaultRules())
	if len(errs) > 0 {
		c.answer(http.StatusOK, object{"errors": []object{{"message": errs.Error(), "type": "undefinedField"}}})
		return
	}
	op := doc.Operations[0]
	if op.Operation != ast.Query {
		panic("the connector sent a mutation")
	}
	points := max(1, (cost(op.SelectionSet, 1, in.Variables)+50)/100)
	c.tally.Graph++
	c.tally.Points += points
	c.spend("graphql", points)
	a := &answering{vars: in.Variables}
	data := a.object(op.SelectionSet, c.query(), nil)
	out := object{"data": data}
	if len(a.errors) > 0 {
		out["errors"] = a.errors
	}
	c.answer(http.StatusOK, out)
}

// cost adds up the requests that the connections of a query stand for, as
// GitHub documents it: one for each of what is around them.
func cost(set ast.SelectionSet, around int, vars map[string]any) int {
	sum := 0
	for _, s := range set {
		switch x := s.(type) {
		case *ast.Field:
			inner := around
			if n, ok := first(x, vars); ok {
				sum += around
				inner = around * n
			} else if x.Name == "repository" {
				sum++
			}
			sum += cost(x.SelectionSet, inner, vars)
		case *ast.InlineFragment:
			sum += cost(x.SelectionSet, around, vars)
		case *ast.FragmentSpread:
			sum += cost(x.Definition.SelectionSet, around, vars)
		}
	}
	return sum
}

func first(f *ast.Field, vars map[string]any) (int, bool) {
	a := f.Arguments.ForName("first")
	if a == nil {
		return 0, false
	}
	v, err := a.Value.Value(vars)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(jsonText(v))
	return n, err == nil
}

func jsonText(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// object answers a set of fields about one thing.
func (a *answering) object(set ast.SelectionSet, of object, at []any) object {
	out := object{}
	for _, s := range set {
		switch x := s.(type) {
		case *ast.Field:
			path := append(slices.Clone(at), x.Alias)
			out[x.Alias] = a.value(x, of[x.Name], path)
		case *ast.InlineFragment:
			a.part(out, x.TypeCondition, x.SelectionSet, of, at)
		case *ast.FragmentSpread:
			a.part(out, x.Definition.TypeCondition, x.Definition.SelectionSet, of, at)
		}
	}
	return out
}

func (a *answering) part(out object, kind string, set ast.SelectionSet, of object, at []any) {
	if name, says := of["__typename"]; says && kind != "" && name != kind {
		return
	}
	for k, v := range a.object(set, of, at) {
		out[k] = v
	}
}

func (a *answering) value(f *ast.Field, v any, at []any) any {
	if compute, ok := v.(field); ok {
		v = compute(f.ArgumentMap(a.vars))
	}
	switch x := v.(type) {
	case denied:
		a.errors = append(a.errors, object{"type": string(x), "path": at, "message": "Resource not accessible"})
		return nil
	case object:
		if x == nil {
			return nil
		}
		return a.object(f.SelectionSet, x, at)
	case []object:
		out := []any{}
		for i, o := range x {
			out = append(out, a.object(f.SelectionSet, o, append(slices.Clone(at), i)))
		}
		return out
	default:
		return v
	}
}

// connection pages through a list.
func connection[T any](all []T, node func(T) object) field {
	return edges(all, node, nil)
}

func edges[T any](all []T, node func(T) object, edge func(T) object) field {
	return func(args map[string]any) any {
		n, _ := strconv.Atoi(jsonText(args["first"]))
		if n == 0 {
			n = 100
		}
		from := 0
		if s, ok := args["after"].(string); ok && s != "" {
			from, _ = strconv.Atoi(s)
		}
		from = min(from, len(all))
		to := min(from+n, len(all))
		nodes, es := []object{}, []object{}
		for _, x := range all[from:to] {
			nodes = append(nodes, node(x))
			e := object{}
			if edge != nil {
				e = edge(x)
			}
			e["node"] = node(x)
			es = append(es, e)
		}
		return object{"totalCount": len(all), "nodes": nodes, "edges": es, "pageInfo": object{"hasNextPage": to < len(all), "endCursor": strconv.Itoa(to)}}
	}
}
