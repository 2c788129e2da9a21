package testkit

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A KubernetesServer is an API server with an etcd of its own and nothing else:
// what is made stays as it is, since no controller and no machine acts on it.
type KubernetesServer struct {
	URL   string
	CA    string // certificate of its private authority, in PEM
	Token string // of an administrator, of group system:masters
	Audit string // file of its audit log, if it has one

	t      testing.TB
	client *http.Client
	ca     *authority
	roles  bool // it asks for rights, and then makes its own roles as it starts
}

// KubernetesConfig says how the API server is started; its zero value is a plain
// one with rights by roles.
type KubernetesConfig struct {
	Audit       bool // log requests
	Encrypt     bool // keep Secrets encrypted
	NoAnonymous bool // refuse who has no credential
	AlwaysAllow bool // ask nobody for rights
}

// Kubernetes starts a cluster's control plane.
func Kubernetes(t testing.TB, cfg KubernetesConfig) *KubernetesServer {
	t.Helper()
	etcd, program := Tool(t, "etcd"), Tool(t, "kube-apiserver")
	k, err := retry(func() (*KubernetesServer, error) { return newKubernetes(t, etcd, program, cfg) })
	if err != nil {
		missing(t, err)
	}
	return k
}

func newKubernetes(t testing.TB, etcd, program string, cfg KubernetesConfig) (*KubernetesServer, error) {
	store, stop, err := startEtcd(etcd)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { stop(t) }) // after the API server, which is told to clean up later
	return newAPIServer(t, program, store, cfg)
}

// startEtcd starts a store and returns its address.
func startEtcd(program string) (address string, stop func(testing.TB), err error) {
	dir, err := workDir("etcd", nil)
	if err != nil {
		return "", nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return "", nil, err
	}
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	name := nonce()
	p, err := start(spec{
		name: "etcd", dir: dir, port: ports[0], within: 30 * time.Second,
		args: []string{
			program, "--name", name, "--data-dir", filepath.Join(dir, "data"), "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", name + "=" + peer, "--unsafe-no-fsync", "--log-level", "error",
		},
		ready: func() error {
			var health struct{ Health string }
			return getJSON(client+"/health", &health)
		},
	})
	if err != nil {
		return "", nil, err
	}
	return client, func(t testing.TB) { stopLogged(t, p) }, nil
}

func newAPIServer(t testing.TB, program, store string, cfg KubernetesConfig) (*KubernetesServer, error) {
	dir, err := workDir("kube-apiserver", nil)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	k := &KubernetesServer{URL: fmt.Sprintf("https://127.0.0.1:%d", ports[0]), CA: ca.pem, Token: "admin-" + rand.Text(), t: t, ca: ca, roles: !cfg.AlwaysAllow}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca.pem))
	k.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	args, err := k.files(dir, cfg)
	if err != nil {
		return nil, err
	}
	args = append([]string{program, "--etcd-servers=" + store, fmt.Sprintf("--secure-port=%d", ports[0])}, args...)
	p, err := start(spec{name: "kube-apiserver", dir: dir, port: ports[0], within: 2 * time.Minute, args: args, ready: k.ready})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { k.client.CloseIdleConnections(); stopLogged(t, p) })
	return k, nil
}

// files writes what the API server reads and returns the flags that name it.
func (k *KubernetesServer) files(dir string, cfg KubernetesConfig) ([]string, error) {
	cert, key, err := k.ca.issue(pkix.Name{CommonName: "kube-apiserver"}, true)
	if err != nil {
		return nil, err
	}
	_, account, err := k.ca.issue(pkix.Name{CommonName: "service-accounts"}, false)
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"ca.pem": k.CA, "tls.pem": cert, "tls.key": key, "sa.key": account, "tokens.csv": k.Token + ",admin,admin,system:masters\n",
		"audit.yaml": "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n  - level: Metadata\n",
		"encryption.yaml": "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n" +
			"      - aescbc: {keys: [{name: one, secret: " + base64.StdEncoding.EncodeToString([]byte(rand.Text() + rand.Text())[:32]) + "}]}\n      - identity: {}\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write %s of kube-apiserver: %w", name, err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	args := []string{
		"--bind-address=127.0.0.1", "--tls-cert-file=" + in("tls.pem"), "--tls-private-key-file=" + in("tls.key"), "--client-ca-file=" + in("ca.pem"),
		"--token-auth-file=" + in("tokens.csv"), "--service-account-key-file=" + in("sa.key"), "--service-account-signing-key-file=" + in("sa.key"),
		"--service-account-issuer=https://kubernetes.acme.test", "--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none", "--allow-privileged=true",
	}
	if cfg.AlwaysAllow {
		args = append(args, "--authorization-mode=AlwaysAllow")
	} else {
		args = append(args, "--authorization-mode=RBAC")
	}
	if cfg.NoAnonymous {
		args = append(args, "--anonymous-auth=false")
	}
	if cfg.Audit {
		k.Audit = in("audit.log")
		args = append(args, "--audit-policy-file="+in("audit.yaml"), "--audit-log-path="+k.Audit, "--audit-log-maxage=30")
	}
	if cfg.Encrypt {
		args = append(args, "--encryption-provider-config="+in("encryption.yaml"))
	}
	return args, nil
}

// ready proves that the server is ours, since only ours has a certificate of an
// authority that was made for it, and that its own roles are made.
func (k *KubernetesServer) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	paths := []string{"/readyz", "/api/v1/namespaces/kube-system"}
	if k.roles {
		paths = append(paths, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/cluster-admin")
	}
	for _, path := range paths {
		status, _, err := k.do(ctx, k.Token, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("GET %s: status %d", path, status)
		}
	}
	return nil
}

func (k *KubernetesServer) do(ctx context.Context, token, method, path string, body any) (int, []byte, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, k.URL+path, in)
	if err != nil {
		return 0, nil, err
	}
	kind := "application/json"
	if method == http.MethodPatch {
		kind = "application/merge-patch+json"
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, b, err
}

// As asks with a token, or none, and returns the status.
func (k *KubernetesServer) As(token, method, path string, body any) (int, []byte) {
	k.t.Helper()
	status, b, err := k.do(k.t.Context(), token, method, path, body)
	if err != nil {
		k.t.Fatal(err)
	}
	return status, b
}

// Must asks as the administrator; an answer that is no success ends the test.
func (k *KubernetesServer) Must(method, path string, body any) map[string]any {
	k.t.Helper()
	status, b := k.As(k.Token, method, path, body)
	if status >= 300 {
		k.t.Fatalf("kubernetes: %s %s: status %d: %s", method, path, status, b)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		k.t.Fatal(err)
	}
	return out
}

// TokenOf makes a token of a ServiceAccount for ten minutes.
func (k *KubernetesServer) TokenOf(namespace, name string) string {
	k.t.Helper()
	out := k.Must("POST", "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+name+"/token", object{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{"expirationSeconds": 600},
	})
	status, _ := out["status"].(map[string]any)
	token, _ := status["token"].(string)
	if token == "" {
		k.t.Fatal("kubernetes gave no token")
	}
	return token
}

// Certificate makes a client certificate of a user with its key, in PEM.
func (k *KubernetesServer) Certificate(user string, groups ...string) (cert, key string) {
	k.t.Helper()
	cert, key, err := k.ca.issue(pkix.Name{CommonName: user, Organization: groups}, false)
	if err != nil {
		k.t.Fatal(err)
	}
	return cert, key
}

// An authority signs the certificates of one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "prumo test " + nonce()}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make an authority: %w", err)
	}
	return &authority{cert: cert, key: key, pem: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}, nil
}

// issue makes a certificate for 127.0.0.1, or a client's.
func (a *authority) issue(name pkix.Name, server bool) (cert, key string, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: name, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if server {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		tmpl.IPAddresses, tmpl.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, k.Public(), a.key)
	if err != nil {
		return "", "", fmt.Errorf("make a certificate: %w", err)
	}
	raw, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		return "", "", fmt.Errorf("write a key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})), nil
}
