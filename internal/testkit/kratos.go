package testkit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 says SHA-1
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A KratosServer is an empty Ory Kratos of its own, with passwords, TOTP and
// recovery codes, and one schema, "person", with the traits email and name.
type KratosServer struct {
	Admin  string // address of the administration API
	Public string // address of the self-service API

	t testing.TB
}

// A KratosHook is where Kratos is to call after a second factor was changed in
// the self-service settings, and the secret that it sends in header Prumo-Secret.
type KratosHook struct{ URL, Secret string }

// Kratos starts a server. hook may be nil.
func Kratos(t testing.TB, hook *KratosHook) *KratosServer {
	t.Helper()
	program := Tool(t, "kratos")
	k, err := retry(func() (*KratosServer, error) { return newKratos(t, program, hook) })
	if err != nil {
		missing(t, err)
	}
	return k
}

func newKratos(t testing.TB, program string, hook *KratosHook) (*KratosServer, error) {
	dir, err := workDir("kratos", nil)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	name := nonce()
	k := &KratosServer{t: t, Admin: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), Public: fmt.Sprintf("http://127.0.0.1:%d", ports[1])}
	if err := kratosConfig(dir, name, ports, hook); err != nil {
		return nil, err
	}
	env := []string{"SQA_OPT_OUT=true", "HOME=" + dir}
	migrate := exec.CommandContext(t.Context(), program, "migrate", "sql", "-y", "-e", "-c", "kratos.json")
	migrate.Dir = dir
	migrate.Env = append(append(os.Environ(), env...), "DSN="+kratosDSN(dir))
	if out, err := migrate.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("prepare the database of kratos: %w\n%s", err, out[max(0, len(out)-2000):])
	}
	p, err := start(spec{
		name: "kratos", dir: dir, env: env, port: ports[0], within: 30 * time.Second,
		args:  []string{program, "serve", "-c", "kratos.json", "--dev"},
		ready: func() error { return k.is(name) },
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { stopLogged(t, p) })
	return k, nil
}

// is proves that the server is the one with our nonce among its schemas.
func (k *KratosServer) is(name string) error {
	var ready map[string]any
	if err := getJSON(k.Public+"/health/ready", &ready); err != nil {
		return err
	}
	var schemas []struct{ ID string }
	if err := getJSON(k.Admin+"/schemas", &schemas); err != nil {
		return err
	}
	for _, s := range schemas {
		if s.ID == name {
			return nil
		}
	}
	return fmt.Errorf("%s is another server than ours", k.Admin)
}

func kratosDSN(dir string) string {
	return "sqlite://" + filepath.Join(dir, "kratos.sqlite") + "?_fk=true&mode=rwc"
}

type object = map[string]any

func kratosConfig(dir, name string, ports []int, hook *KratosHook) error {
	schema := object{
		"$id": "https://acme.test/person", "$schema": "http://json-schema.org/draft-07/schema#", "title": "Person", "type": "object",
		"properties": object{"traits": object{
			"type": "object", "additionalProperties": false,
			"properties": object{
				"email": object{
					"type": "string", "format": "email",
					"ory.sh/kratos": object{"credentials": object{"password": object{"identifier": true}, "totp": object{"account_name": true}}},
				},
				"name": object{"type": "object", "properties": object{"first": object{"type": "string"}, "last": object{"type": "string"}}},
			},
		}},
	}
	schemaFile, body := filepath.Join(dir, "person.json"), filepath.Join(dir, "hook.jsonnet")
	after := object{}
	if hook != nil {
		call := []object{{"hook": "web_hook", "config": object{
			"url": hook.URL, "method": "POST", "body": "file://" + body,
			"auth": object{"type": "api_key", "config": object{"in": "header", "name": "Prumo-Secret", "value": hook.Secret}},
		}}}
		after = object{"totp": object{"hooks": call}, "lookup_secret": object{"hooks": call}}
	}
	ui := fmt.Sprintf("http://127.0.0.1:%d/ui", ports[1])
	config := object{
		"version": "v1.3.1", "dsn": kratosDSN(dir),
		"serve": object{
			"admin":  object{"host": "127.0.0.1", "port": ports[0], "base_url": fmt.Sprintf("http://127.0.0.1:%d/", ports[0])},
			"public": object{"host": "127.0.0.1", "port": ports[1], "base_url": fmt.Sprintf("http://127.0.0.1:%d/", ports[1])},
		},
		"identity": object{"default_schema_id": "person", "schemas": []object{
			{"id": "person", "url": "file://" + schemaFile}, {"id": name, "url": "file://" + schemaFile},
		}},
		"selfservice": object{
			"default_browser_return_url": ui,
			"methods": object{
				"password": object{"enabled": true, "config": object{"haveibeenpwned_enabled": false}},
				"totp":     object{"enabled": true, "config": object{"issuer": "Acme"}}, "lookup_secret": object{"enabled": true},
			},
			"flows": object{
				"login":    object{"ui_url": ui},
				"settings": object{"ui_url": ui, "privileged_session_max_age": "15m", "required_aal": "highest_available", "after": after},
			},
		},
		"session": object{"lifespan": "12h", "whoami": object{"required_aal": "highest_available"}},
		"secrets": object{"cookie": []string{rand.Text()}, "cipher": []string{(rand.Text() + rand.Text())[:32]}},
		"hashers": object{"algorithm": "bcrypt", "bcrypt": object{"cost": 4}},
		"courier": object{"smtp": object{"connection_uri": "smtp://127.0.0.1:1/?disable_starttls=true"}},
		"log":     object{"level": "error"},
	}
	if err := writeJSON(schemaFile, schema); err != nil {
		return err
	}
	if err := os.WriteFile(body, []byte("function(ctx) { identity: ctx.identity.id }\n"), 0o600); err != nil {
		return fmt.Errorf("write the hook of kratos: %w", err)
	}
	return writeJSON(filepath.Join(dir, "kratos.json"), config)
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// Must asks the administration API; an answer that is no success ends the test.
func (k *KratosServer) Must(method, path string, body any) map[string]any {
	k.t.Helper()
	return k.must(k.Admin, "", method, path, body)
}

// SignIn signs in with a password and returns the session's token.
func (k *KratosServer) SignIn(email, password string) string {
	k.t.Helper()
	flow := k.must(k.Public, "", "GET", "/self-service/login/api", nil)
	out := k.must(k.Public, "", "POST", fmt.Sprintf("/self-service/login?flow=%v", flow["id"]), object{"method": "password", "identifier": email, "password": password})
	token, _ := out["session_token"].(string)
	if token == "" {
		k.t.Fatal("kratos gave no session")
	}
	return token
}

// EnrolTOTP enrols an authenticator in the self-service settings, as a person would.
func (k *KratosServer) EnrolTOTP(session string) {
	k.t.Helper()
	flow := k.must(k.Public, session, "GET", "/self-service/settings/api", nil)
	secret := totpSecret(flow)
	if secret == "" {
		k.t.Fatal("kratos offered no authenticator")
	}
	k.must(k.Public, session, "POST", fmt.Sprintf("/self-service/settings?flow=%v", flow["id"]), object{"method": "totp", "totp_code": totpCode(k.t, secret, time.Now())})
}

// RemoveTOTP takes the authenticator out again, as its person, in the session
// that enrolled it.
func (k *KratosServer) RemoveTOTP(session string) {
	k.t.Helper()
	flow := k.must(k.Public, session, "GET", "/self-service/settings/api", nil)
	k.must(k.Public, session, "POST", fmt.Sprintf("/self-service/settings?flow=%v", flow["id"]), object{"method": "totp", "totp_unlink": true})
}

func totpSecret(flow map[string]any) string {
	b, err := json.Marshal(flow)
	if err != nil {
		return ""
	}
	var f struct {
		UI struct {
			Nodes []struct {
				Attributes struct {
					ID   string
					Text struct{ Text string }
				}
			}
		}
	}
	if json.Unmarshal(b, &f) != nil {
		return ""
	}
	for _, n := range f.UI.Nodes {
		if n.Attributes.ID == "totp_secret_key" {
			return n.Attributes.Text.Text
		}
	}
	return ""
}

// totpCode is RFC 6238's with six digits and 30 seconds.
func totpCode(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(secret, "="))
	if err != nil {
		t.Fatal(err)
	}
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(at.Unix()/30)) //nolint:gosec // the time is past 1970
	mac := hmac.New(sha1.New, key)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	off := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[off:off+4])&0x7fffffff%1000000)
}

func (k *KratosServer) must(base, session, method, path string, body any) map[string]any {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 20*time.Second)
	defer cancel()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			k.t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, in)
	if err != nil {
		k.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if session != "" {
		req.Header.Set("X-Session-Token", session)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		k.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		k.t.Fatal(err)
	}
	if res.StatusCode >= 300 {
		k.t.Fatalf("kratos: %s %s: status %d: %s", method, path, res.StatusCode, b)
	}
	var out map[string]any
	_ = json.Unmarshal(b, &out) // an empty answer and a list are of no use here
	return out
}
