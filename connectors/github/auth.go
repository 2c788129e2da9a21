package github

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"prumo.dev/prumo/internal/connector"
)

// An auth holds the credential: a token, or a GitHub App with a private key,
// which makes a token for each organisation that lives an hour.
type auth struct {
	run    connector.Run
	token  string
	app    string
	key    *rsa.PrivateKey
	grants map[string]grant // by organisation
}

// A grant is an App's installation in an organisation, with its token.
type grant struct {
	Install installation `json:"install"`
	Token   string       `json:"token"`
	Ends    time.Time    `json:"ends"`
	err     error
}

func newAuth(run connector.Run) (*auth, error) {
	s := run.Settings
	a := &auth{run: run, token: s.Text("token"), app: s.Text("app_id"), grants: map[string]grant{}}
	pemText := s.Text("private_key")
	switch {
	case a.token != "" && (a.app != "" || pemText != ""):
		return nil, fmt.Errorf("%w: token and GitHub App are both set; set one of them", connector.ErrSettings)
	case a.token != "":
		return a, nil
	case a.app == "" || pemText == "":
		return nil, fmt.Errorf("%w: the credential is missing; set token, or app_id and private_key", connector.ErrSettings)
	}
	key, err := parseKey(pemText)
	if err != nil {
		return nil, fmt.Errorf("%w: private_key is not the PEM file that GitHub gave", connector.ErrSettings)
	}
	a.key = key
	return a, nil
}

// parseKey reads an RSA key; its errors hold nothing of the text.
func parseKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, connector.ErrFormat
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	any8, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := any8.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, connector.ErrFormat
	}
	return key, nil
}

func (a *auth) isApp() bool { return a.key != nil }

// header returns the header of a request about an organisation.
func (a *auth) header(ctx context.Context, asks *api, org string) (http.Header, error) {
	if !a.isApp() {
		return bearer(a.token), nil
	}
	g, err := a.grant(ctx, asks, org)
	if err != nil {
		return nil, err
	}
	return bearer(g.Token), nil
}

func bearer(token string) http.Header {
	return http.Header{
		"Authorization": {"Bearer " + token}, "Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {apiVersion},
	}
}

// renewal is how long before its end a token is renewed.
const renewal = 5 * time.Minute

// grant returns the App's installation in an organisation with a token that
// still lives. An installation that was refused is asked for once a reading.
func (a *auth) grant(ctx context.Context, asks *api, org string) (grant, error) {
	name := strings.ToLower(org)
	g, ok := a.grants[name]
	if !ok {
		g, ok = a.remembered(name)
	}
	if ok && (g.err != nil || g.Ends.Sub(a.run.Now()) > renewal) {
		a.grants[name] = g
		return g, g.err
	}
	g, err := a.newGrant(ctx, asks, org)
	if err != nil {
		g.err = fmt.Errorf("token for %s: %w", org, err)
	} else {
		a.remember(name, g)
	}
	a.grants[name] = g
	return g, g.err
}

func (a *auth) newGrant(ctx context.Context, asks *api, org string) (grant, error) {
	var g grant
	if err := asks.mayAsk(resourceREST); err != nil {
		return g, err
	}
	jwt, err := a.jwt()
	if err != nil {
		return g, err
	}
	r, err := asks.send(ctx, http.MethodGet, asks.base+orgPath(org)+"/installation", bearer(jwt), nil)
	if err != nil {
		return g, err
	}
	if err := r.Decode(&g.Install); err != nil {
		return g, err
	}
	if g.Install.ID == 0 || !strings.EqualFold(g.Install.Account.Login, org) {
		return g, fmt.Errorf("installation: %w", connector.ErrFormat)
	}
	path := asks.base + fmt.Sprintf("/app/installations/%d/access_tokens", g.Install.ID)
	r, err = asks.post(ctx, path, bearer(jwt), []byte("{}"))
	if err != nil {
		return g, err
	}
	var t struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := r.Decode(&t); err != nil {
		return g, err
	}
	if t.Token == "" || t.ExpiresAt.IsZero() {
		return g, fmt.Errorf("token of the installation: %w", connector.ErrFormat)
	}
	g.Token, g.Ends = t.Token, t.ExpiresAt
	return g, nil
}

// jwt signs who we are, for ten minutes at most. GitHub's clock may be a
// minute behind ours.
func (a *auth) jwt() (string, error) {
	now := a.run.Now()
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`))
	claims, err := json.Marshal(map[string]any{"iat": now.Add(-time.Minute).Unix(), "exp": now.Add(8 * time.Minute).Unix(), "iss": a.app})
	if err != nil {
		return "", fmt.Errorf("claims: %w", err)
	}
	text := head + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// remember keeps a token between readings, sealed with the private key: the
// memo is no place for what opens something.
func (a *auth) remember(org string, g grant) {
	if a.run.Memo == nil {
		return
	}
	b, err := json.Marshal(g)
	if err != nil {
		return
	}
	seal, err := a.sealer()
	if err != nil {
		return
	}
	nonce := make([]byte, seal.NonceSize())
	if _, err := rand.Read(nonce); err == nil {
		a.run.Memo.Keep("installation "+org, seal.Seal(nonce, nonce, b, []byte(org)))
	}
}

func (a *auth) remembered(org string) (grant, bool) {
	var g grant
	if a.run.Memo == nil {
		return g, false
	}
	b, ok := a.run.Memo.Recall("installation " + org)
	seal, err := a.sealer()
	if !ok || err != nil || len(b) < seal.NonceSize() {
		return g, false
	}
	n := seal.NonceSize()
	plain, err := seal.Open(nil, b[:n], b[n:], []byte(org))
	return g, err == nil && json.Unmarshal(plain, &g) == nil
}

func (a *auth) sealer() (cipher.AEAD, error) {
	sum := sha256.Sum256(append([]byte("prumo github installation token "), x509.MarshalPKCS1PrivateKey(a.key)...))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// installed lists the organisations that the App is installed in.
func (a *auth) installed(ctx context.Context, asks *api) ([]string, error) {
	jwt, err := a.jwt()
	if err != nil {
		return nil, err
	}
	var names []string
	for address := asks.base + "/app/installations?" + pageSize; address != ""; {
		r, err := asks.send(ctx, http.MethodGet, address, bearer(jwt), nil)
		if err != nil {
			return nil, err
		}
		var part []installation
		if err := r.Decode(&part); err != nil {
			return nil, err
		}
		for _, i := range part {
			if i.TargetType == "Organization" && i.Account.Login != "" && i.SuspendedAt == nil {
				names = append(names, i.Account.Login)
			}
		}
		if address, err = r.Next(); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func escape(s string) string { return url.PathEscape(s) }
