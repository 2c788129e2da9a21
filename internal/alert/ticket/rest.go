package ticket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"prumo.dev/prumo/internal/alert/channel"
)

// ErrDeleted says that an issue was removed for good.
var ErrDeleted = errors.New("the issue was deleted")

func isDeleted(err error) bool { return errors.Is(err, ErrDeleted) }

// MaxPages is how many pages of a list are read in search of a mark.
const MaxPages = 20

// REST makes the calls of one dispatch to a system.
type REST struct {
	Caller  *channel.Caller
	Base    string            // of the API, without a slash at its end
	Header  map[string]string // with the key
	Secrets []string          // kept out of what is said
	Now     time.Time
}

// Do sends in as JSON (nil: no body) and reads the answer into out (nil: not read).
func (r REST) Do(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
	}
	answer, err := r.Caller.Do(ctx, channel.Call{Method: method, URL: r.Base + path, Header: r.Header, Body: body, Now: r.Now})
	if err != nil {
		return err
	}
	if !answer.OK() {
		f := answer.Refused(channel.Reason(Words(answer.Body), r.Secrets...))
		f.After = max(f.After, r.reset(answer))
		return f
	}
	if out == nil {
		return nil
	}
	return answer.Decode(out)
}

// reset is how long a used-up rate limit lasts, as GitHub and GitLab say it.
func (r REST) reset(a channel.Answer) time.Duration {
	if a.Status != http.StatusForbidden && a.Status != http.StatusTooManyRequests {
		return 0
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		if a.Header.Get(prefix+"Remaining") != "0" {
			continue
		}
		if at, err := strconv.ParseInt(a.Header.Get(prefix+"Reset"), 10, 64); err == nil {
			return max(0, min(time.Unix(at, 0).Sub(r.Now), 24*time.Hour))
		}
	}
	return 0
}

// Deleted turns an answer 410 about one issue into ErrDeleted: it speaks of the
// issue and not of the system.
func Deleted(err error) error {
	if channel.Gone(err) {
		return ErrDeleted
	}
	return err
}

// Words finds what an answer says in the forms that the systems have.
func Words(body []byte) string {
	var said struct {
		Message  json.RawMessage `json:"message"`
		Error    json.RawMessage `json:"error"`
		Errors   json.RawMessage `json:"errors"`
		Messages []string        `json:"errorMessages"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	var out []string
	for _, raw := range []json.RawMessage{said.Message, said.Error, said.Errors} {
		if text := flat(raw); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return strings.Join(append(out, said.Messages...), "; ")
}

// flat writes a value without its marks.
func flat(raw json.RawMessage) string {
	text := string(raw)
	if text == "null" || text == "{}" || text == "[]" {
		return ""
	}
	return strings.TrimSpace(strings.NewReplacer(`"`, "", "{", "", "}", "", "[", "", "]", "", ",", ", ").Replace(text))
}
