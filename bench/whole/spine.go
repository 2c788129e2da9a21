package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"prumo.dev/prumo/internal/store"
)

// fill stores the facts as a remote collector sends them: read, judged by every
// check of the product, logged.
func (h *house) fill() error {
	if err := h.configure(quietSources, ""); err != nil {
		return err
	}
	if _, err := h.start(); err != nil {
		return err
	}
	if _, err := h.login(); err != nil {
		return err
	}
	h.read = time.Now().Add(-time.Minute)
	before, err := h.used()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := h.push("fleet", h.plan.facts, h.read); err != nil {
		return err
	}
	took := time.Since(begun)
	after, err := h.used()
	if err != nil {
		return err
	}
	h.out.least("first reading, stored, judged and logged", "facts/s", 5000, float64(h.plan.facts)/took.Seconds())
	h.out.note("  CPU time of it", "s", (after.cpu - before.cpu).Seconds())
	h.out.note("  most memory in it", "MB", after.peak)
	return h.push("quiet", h.plan.quiet, h.read)
}

// again pushes the same facts: a complete reading without changes.
func (h *house) again() error {
	if err := h.settle(); err != nil {
		return err
	}
	before, err := h.rows()
	if err != nil {
		return err
	}
	if err := h.freshPeak(); err != nil {
		return err
	}
	u, err := h.used()
	if err != nil {
		return err
	}
	h.read = h.read.Add(time.Second)
	begun := time.Now()
	if err := h.push("fleet", h.plan.facts, h.read); err != nil {
		return err
	}
	took := time.Since(begun)
	v, err := h.used()
	if err != nil {
		return err
	}
	after, err := h.rows()
	if err != nil {
		return err
	}
	h.out.most("complete reading without changes", "s", 60, took.Seconds())
	h.out.note("  CPU time of it", "s", (v.cpu - u.cpu).Seconds())
	h.out.most("  most memory in it", "MB", 200, v.peak)
	h.out.most("  rows of facts and verdicts written by it", "rows", 0, float64(after-before))
	return nil
}

// settle waits until sets that wait have been judged.
func (h *house) settle() error {
	for quiet := 0; quiet < 3; {
		u, err := h.used()
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
		v, err := h.used()
		if err != nil {
			return err
		}
		if quiet++; v.cpu-u.cpu > 200*time.Millisecond {
			quiet = 0
		}
	}
	return nil
}

// rows counts every row of a fact, its versions and its verdicts, and every
// change of one: a change moves the leaf that the row names.
func (h *house) rows() (n int64, err error) {
	db, err := store.Open(h.ctx, store.Config{Dir: h.data()})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.Read(h.ctx, func(tx *store.Tx) error {
		for _, q := range []string{
			"SELECT COUNT(*) + COALESCE(SUM(leaf), 0) FROM fact WHERE id > 0", "SELECT COUNT(*) FROM fact_data", "SELECT COUNT(*) FROM fact_version",
			"SELECT COUNT(*) + COALESCE(SUM(leaf), 0) FROM verdict WHERE fact > 0",
		} {
			var m int64
			if err := tx.Row(h.ctx, []any{&m}, q); err != nil {
				return fmt.Errorf("count rows: %w", err)
			}
			n += m
		}
		return nil
	})
	return n, err
}

// lists asks every page and list over all that is stored.
func (h *house) lists() error {
	c, err := h.login()
	if err != nil {
		return err
	}
	worst, where := time.Duration(0), ""
	for _, p := range []string{
		"/", "/controls", "/frameworks", "/checks", "/checks/account-has-mfa", "/findings", "/findings?severity=high", "/findings?q=user-77",
		"/things", "/things?kind=account&source=fleet", "/things?q=user-77", "/things/fleet/u0000050", "/sources", "/exceptions", "/alerts",
		"/api/v1/posture", "/api/v1/controls", "/api/v1/checks", "/api/v1/sources", "/api/v1/findings?open=true", "/api/v1/findings?q=user-77",
		"/api/v1/verdicts", "/api/v1/verdicts?status=fail", "/api/v1/verdicts?status=unknown&kind=account", "/api/v1/verdicts?check=account-has-mfa&status=fail",
		"/api/v1/verdicts?q=user-77", "/api/v1/facts", "/api/v1/facts?kind=account&source=fleet", "/api/v1/facts?q=user-77",
	} {
		var took []time.Duration
		for range h.plan.requests {
			begun := time.Now()
			res, err := c.Get(h.url() + p)
			if err != nil {
				return err
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				return err
			}
			took = append(took, time.Since(begun))
			if res.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: status %d: %.300s", p, res.StatusCode, body)
			}
		}
		if t := p95(took); t > worst {
			worst, where = t, p
		}
		if t := p95(took); t > 100*time.Millisecond {
			h.out.most("  "+p+", p95", "ms", 100, ms(t))
		}
	}
	h.out.most("slowest page or list over HTTP, p95: "+where, "ms", 100, ms(worst))
	return nil
}

// restart starts it anew on what is stored, and lets it rest.
func (h *house) restart() error {
	if err := h.configure(quietSources, ""); err != nil {
		return err
	}
	var took, cpu []time.Duration
	for range h.plan.starts {
		if err := h.stop(); err != nil {
			return err
		}
		t, err := h.start()
		if err != nil {
			return err
		}
		u, err := h.used()
		if err != nil {
			return err
		}
		took, cpu = append(took, t), append(cpu, u.cpu)
	}
	h.out.most("from its start until it is ready, median", "ms", 1000, ms(median(took)))
	h.out.note("  CPU time of it", "ms", ms(median(cpu)))
	if err := h.rest("idle memory, its own sources off"); err != nil {
		return err
	}
	if err := h.configure("", ""); err != nil {
		return err
	}
	if err := h.stop(); err != nil {
		return err
	}
	if _, err := h.start(); err != nil {
		return err
	}
	if err := h.rest("idle memory, its own sources on"); err != nil {
		return err
	}
	return h.stop()
}

func (h *house) rest(name string) error {
	time.Sleep(h.plan.idle)
	u, err := h.used()
	if err != nil {
		return err
	}
	h.out.most(name+" (resident)", "MB", 60, u.rss)
	h.out.note("  of it its own (anonymous)", "MB", u.anon)
	return nil
}
