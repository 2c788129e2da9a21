package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/fact"
)

// A Push takes facts that were sent to a source.
type Push interface {
	// Facts takes at most monitor.MaxBatch facts; it returns, by index, why
	// some were refused.
	Facts(ctx context.Context, facts []fact.Fact) (map[int]string, error)
	// End closes the push: complete says that the sender gave everything.
	End(ctx context.Context, complete bool) error
}

// IngestConfig is what the door for facts is given.
type IngestConfig struct {
	// Begin opens a push to a source's scope. It returns ErrNotFound for a
	// source that takes no facts.
	Begin func(ctx context.Context, source, scope string) (Push, error)
	Lines func(r io.Reader) *fact.LineReader
	Fail  func(w http.ResponseWriter, r *http.Request, err error)
	Batch int
}

const maxRefusals = 1000

type ingestAnswer struct {
	Accepted int            `json:"accepted"`
	Refused  []fact.Refusal `json:"refused"`
	More     int            `json:"refused_more,omitempty"` // refusals beyond those listed
}

// Ingest answers POST /ingest/v1/facts?source=&scope=&complete=true: fact
// lines, streamed. A push with a refused line is never complete.
func Ingest(cfg IngestConfig) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := access.From(r.Context())
		source, scope := r.URL.Query().Get("source"), r.URL.Query().Get("scope")
		switch {
		case p.Role == access.Nobody && p.Source == "":
			w.Header().Set("WWW-Authenticate", "Bearer")
			Problem(w, http.StatusUnauthorized, "send a token as Authorization: Bearer; `prumo token create` makes one")
			return
		case source == "" && p.Source != "":
			source = p.Source
		case source == "":
			Problem(w, http.StatusUnprocessableEntity, "name the source as ?source=")
			return
		}
		if why := pushQuery(r.URL.RawQuery, source, scope); why != "" {
			Problem(w, http.StatusBadRequest, why)
			return
		}
		if !p.MayPush(source) {
			Problem(w, http.StatusForbidden, "this token may not write source "+source)
			return
		}
		if scope == "" {
			scope = "facts"
		}
		push, err := cfg.Begin(r.Context(), source, scope)
		if err != nil {
			cfg.Fail(w, r, err)
			return
		}
		ans, err := drain(r, cfg, push, source)
		if err != nil {
			cfg.Fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if ans.Accepted == 0 && len(ans.Refused) > 0 {
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		_ = json.NewEncoder(w).Encode(ans) // the client is gone; nothing to do about it
	})
}

// pushQuery says what is wrong with the parameters of a push. A misspelt one
// must not be passed over: what was meant as complete would make nothing gone.
func pushQuery(raw, source, scope string) string {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return "the query cannot be read: escape what stands in it"
	}
	known := []string{"source", "scope", "complete"}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		switch {
		case !slices.Contains(known, name):
			why := "there is no parameter " + strconv.QuoteToASCII(name)
			if near := fact.Nearest(name, known); near != "" {
				return why + "; did you mean " + near + "?"
			}
			return why + "; give source, scope and complete"
		case len(q[name]) > 1:
			return "parameter " + name + " is given twice; give it once"
		}
	}
	if c, ok := q["complete"]; ok && c[0] != "true" && c[0] != "false" {
		return "complete is " + strconv.QuoteToASCII(c[0]) + "; it must be true or false"
	}
	if err := fact.CheckText("source", source, fact.MaxSource); err != nil {
		return err.Error()
	}
	if scope == "" {
		return ""
	}
	if err := fact.CheckText("scope", scope, fact.MaxScope); err != nil {
		return err.Error()
	}
	return ""
}

// drain reads all lines, hands them on in batches and closes the push.
func drain(r *http.Request, cfg IngestConfig, push Push, source string) (ingestAnswer, error) {
	d := &drainer{ctx: r.Context(), push: push, ans: ingestAnswer{Refused: []fact.Refusal{}}}
	lines := cfg.Lines(r.Body)
	var rerr error
	for {
		f, refusal, err := lines.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				rerr = err
			}
			break
		}
		if refusal == nil && f.Source != source {
			refusal = &fact.Refusal{Line: lines.Line(), Error: "source " + f.Source + " is not " + source + "; send each source's facts to itself"}
		}
		if refusal != nil {
			d.refuse(*refusal)
			continue
		}
		d.batch, d.lines = append(d.batch, f), append(d.lines, lines.Line())
		if len(d.batch) == cfg.Batch {
			if err := d.flush(); err != nil {
				return d.ans, errors.Join(err, push.End(context.WithoutCancel(r.Context()), false))
			}
		}
	}
	err := d.flush()
	complete := r.URL.Query().Get("complete") == "true" && err == nil && rerr == nil && len(d.ans.Refused) == 0
	err = errors.Join(err, push.End(context.WithoutCancel(r.Context()), complete))
	if rerr != nil && err == nil {
		d.refuse(fact.Refusal{Line: lines.Line() + 1, Error: "the request broke off here; send the rest again"})
	}
	return d.ans, err
}

type drainer struct {
	ctx   context.Context //nolint:containedctx // of one request
	push  Push
	batch []fact.Fact
	lines []int
	ans   ingestAnswer
}

func (d *drainer) refuse(r fact.Refusal) {
	if len(d.ans.Refused) >= maxRefusals {
		d.ans.More++
		return
	}
	d.ans.Refused = append(d.ans.Refused, r)
}

func (d *drainer) flush() error {
	if len(d.batch) == 0 {
		return nil
	}
	refused, err := d.push.Facts(d.ctx, d.batch)
	if err != nil {
		return err
	}
	for i, line := range d.lines {
		if why, bad := refused[i]; bad {
			d.refuse(fact.Refusal{Line: line, Error: why})
		}
	}
	d.ans.Accepted += len(d.batch) - len(refused)
	d.batch, d.lines = d.batch[:0], d.lines[:0]
	return nil
}
