package git

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"prumo.dev/prumo/internal/fact"
)

const (
	maxReport    = 64 << 20
	maxLocations = 200
)

// A leak is where a scanner found a committed secret. The report holds the
// secret too; it is never read into anything.
type leak struct {
	RuleID    string
	File      string
	StartLine int
	Commit    string
}

// readSecrets counts committed secrets, by a report that the settings name or
// by the gitleaks program over the whole history. Without either, nobody looked.
func (r *reading) readSecrets(ctx context.Context, f *fact.Repository) {
	var leaks []leak
	var err error
	switch {
	case r.leaksReport != "":
		leaks, err = r.leaksFromReport(ctx)
	case r.leaksProgram() != "":
		leaks, err = r.runGitleaks(ctx)
	default:
		return
	}
	if err != nil {
		r.cutShort(err.Error())
		return
	}
	if len(leaks) == 0 && r.shallow != nil && r.leaksReport == "" {
		r.cutShort("the clone is shallow, so only a part of the history was scanned for secrets")
		return
	}
	var at []string
	for _, l := range leaks {
		where := fmt.Sprintf("%s:%d %s", l.File, l.StartLine, l.RuleID)
		if isHash(l.Commit) {
			where += " " + l.Commit[:12]
		}
		at = append(at, cutText(validText(where), 500))
	}
	slices.Sort(at)
	at = slices.Compact(at)
	f.SecretsFound = fact.Some(int64(len(at)))
	f.SecretLocations = fact.Some(append([]string{}, at[:min(len(at), maxLocations)]...))
}

func (r *reading) leaksProgram() string {
	if r.leaksReport != "" {
		return ""
	}
	if r.gitleaks != "" {
		return r.gitleaks
	}
	return program("gitleaks")
}

// runGitleaks lets gitleaks read our bare repository, which has no
// configuration of anybody's and no working tree.
func (r *reading) runGitleaks(ctx context.Context) ([]leak, error) {
	report := filepath.Join(r.tmp, "leaks.json")
	args := []string{
		"git", "--no-banner", "--no-color", "--log-level=error", "--redact=100", "--exit-code=0",
		"--report-format=json", "--report-path=" + report,
	}
	if deadline, ok := ctx.Deadline(); ok {
		args = append(args, "--timeout="+strconv.Itoa(max(int(time.Until(deadline).Seconds()), 1)))
	}
	if r.leaksConfig != "" {
		args = append(args, "--config="+r.leaksConfig)
	}
	env := r.environ("GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none")
	_, _, err := execute(ctx, command{path: r.leaksProgram(), args: append(args, r.gitDir), env: env, dir: r.tmp, max: 1 << 20})
	if ctx.Err() != nil {
		return nil, errors.New("the scan for secrets took longer than the reading's limit")
	}
	if err != nil {
		return nil, errors.New("the gitleaks program ended with an error")
	}
	b, err := readLimited(report, maxReport)
	if err != nil {
		return nil, errors.New("the gitleaks program wrote no report that could be read")
	}
	return parseLeaks(b)
}

// leaksFromReport reads a report that was made elsewhere; one that is older
// than the newest commit has not seen it.
func (r *reading) leaksFromReport(ctx context.Context) ([]leak, error) {
	info, err := os.Stat(r.leaksReport)
	if err != nil {
		return nil, errors.New("the gitleaks report could not be read")
	}
	out, err := r.git(ctx, "", "rev-list", "--header", "--max-count=1", r.head)
	if newest := parseCommits(out); err != nil || len(newest) != 1 || info.ModTime().Before(newest[0].at) {
		return nil, errors.New("the gitleaks report is older than the newest commit")
	}
	b, err := readLimited(r.leaksReport, maxReport)
	if err != nil {
		return nil, errors.New("the gitleaks report could not be read")
	}
	return parseLeaks(b)
}

func readLimited(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errTooLong
	}
	return b, err
}

var errReport = errors.New("the gitleaks report is neither its JSON nor SARIF")

// parseLeaks reads gitleaks' own JSON, a list, or SARIF, an object. It takes
// rule, file, line and commit, and nothing that could hold the secret.
func parseLeaks(b []byte) ([]leak, error) {
	var list []leak
	if err := json.Unmarshal(b, &list); err == nil {
		return list, nil
	}
	var sarif struct {
		Runs []struct {
			Results []struct {
				RuleID    string `json:"ruleId"`
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
				PartialFingerprints struct{ CommitSha string }
			}
		}
	}
	if json.Unmarshal(b, &sarif) != nil || sarif.Runs == nil {
		return nil, errReport
	}
	for _, run := range sarif.Runs {
		for _, res := range run.Results {
			l := leak{RuleID: res.RuleID, Commit: res.PartialFingerprints.CommitSha}
			if len(res.Locations) > 0 {
				p := res.Locations[0].PhysicalLocation
				l.File, l.StartLine = p.ArtifactLocation.URI, p.Region.StartLine
			}
			list = append(list, l)
		}
	}
	return list, nil
}
