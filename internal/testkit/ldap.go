package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// LDAPConfig says what kind of OpenLDAP server a test wants.
type LDAPConfig struct {
	Microsoft bool     // with Active Directory's classes, as OpenLDAP ships them, and a domain
	Global    []string // further lines of slapd.conf before the database
	Database  []string // and of the database
}

// An LDAPServer is an OpenLDAP of its own with an empty base.
type LDAPServer struct {
	Addr     string // host:port, plain or with StartTLS
	TLSAddr  string // host:port, over TLS
	Base     string
	Admin    string // may do everything
	Password string // Admin's
	CA       string // certificate authority in PEM

	t testing.TB
}

// LDAP starts a server.
func LDAP(t testing.TB, cfg LDAPConfig) *LDAPServer {
	t.Helper()
	Tool(t, "ldapmodify")
	Tool(t, "ldapwhoami")
	program, err := slapd()
	if err != nil {
		missing(t, err)
	}
	s, err := retry(func() (*LDAPServer, error) { return newLDAP(t, program, cfg) })
	if err != nil {
		missing(t, err)
	}
	return s
}

// slapd finds the server, which Debian puts where only root looks.
func slapd() (string, error) {
	for _, name := range []string{"slapd", "/usr/sbin/slapd"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("slapd is %w; run tools/setup.sh apt", errMissing)
}

func newLDAP(t testing.TB, program string, cfg LDAPConfig) (*LDAPServer, error) {
	dir, err := workDir("slapd", nil)
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	s := &LDAPServer{
		t: t, Addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), TLSAddr: fmt.Sprintf("127.0.0.1:%d", ports[1]),
		Base: "dc=acme,dc=test", Admin: "cn=admin,dc=acme,dc=test", Password: nonce(),
	}
	if s.CA, err = certificate(dir); err != nil {
		return nil, err
	}
	name := nonce()
	if err := slapdConfig(dir, s, name, cfg); err != nil {
		return nil, err
	}
	p, err := start(spec{
		name: "slapd", dir: dir, port: ports[0], within: 15 * time.Second, signal: "INT",
		args:  []string{program, "-f", "slapd.conf", "-h", "ldap://" + s.Addr + "/ ldaps://" + s.TLSAddr + "/", "-d", "0"},
		ready: func() error { return s.is(name) },
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { stopLogged(t, p) })
	return s, nil
}

// is proves that the server is the one whose root carries our nonce.
func (s *LDAPServer) is(name string) error {
	c, err := goldap.DialURL("ldap://" + s.Addr)
	if err != nil {
		return fmt.Errorf("reach slapd: %w", err)
	}
	defer func() { _ = c.Close() }()
	res, err := c.Search(&goldap.SearchRequest{Scope: goldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"description"}})
	if err != nil {
		if goldap.IsErrorAnyOf(err, goldap.LDAPResultConfidentialityRequired, goldap.LDAPResultInappropriateAuthentication) {
			return nil // it answers; the process that holds the port is checked as well
		}
		return fmt.Errorf("ask slapd who it is: %w", err)
	}
	if len(res.Entries) != 1 || res.Entries[0].GetAttributeValue("description") != name {
		return fmt.Errorf("%s is another server than ours", s.Addr)
	}
	return nil
}

// domainSchema adds what OpenLDAP's own file of Microsoft's classes leaves out.
const domainSchema = `objectclass ( 1.2.840.113556.1.5.67.1 NAME 'domainDNS' SUP top AUXILIARY
  MAY ( minPwdLength $ lockoutThreshold $ lockoutDuration $ maxPwdAge $ objectSid ) )
objectclass ( 1.2.840.113556.1.5.6 NAME 'securityPrincipal' SUP top AUXILIARY MAY ( sAMAccountName $ objectSid ) )
objectclass ( 1.2.840.113556.1.5.282 NAME 'msDS-GroupManagedServiceAccount' SUP computer STRUCTURAL )
`

func slapdConfig(dir string, s *LDAPServer, name string, cfg LDAPConfig) error {
	lines := []string{
		"include /etc/ldap/schema/core.schema", "include /etc/ldap/schema/cosine.schema", "include /etc/ldap/schema/inetorgperson.schema", "include /etc/ldap/schema/nis.schema",
	}
	if cfg.Microsoft {
		lines = append(lines, "include /etc/ldap/schema/msuser.schema", "include "+filepath.Join(dir, "domain.schema"))
	}
	lines = append(lines, "modulepath /usr/lib/ldap", "moduleload back_mdb", "moduleload ppolicy",
		"TLSCertificateFile "+filepath.Join(dir, "cert.pem"), "TLSCertificateKeyFile "+filepath.Join(dir, "key.pem"),
		"rootDSE "+filepath.Join(dir, "root.ldif"), "pidfile "+filepath.Join(dir, "slapd.pid"))
	lines = append(lines, cfg.Global...)
	lines = append(lines, "database mdb", `suffix "`+s.Base+`"`, `rootdn "`+s.Admin+`"`, "rootpw "+s.Password, "directory "+dir, "maxsize 67108864")
	lines = append(lines, cfg.Database...)
	for file, text := range map[string]string{
		"slapd.conf": strings.Join(lines, "\n") + "\n", "root.ldif": "dn:\nobjectClass: extensibleObject\ndescription: " + name + "\n\n",
		"domain.schema": domainSchema,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	return nil
}

// certificate writes an authority's certificate for 127.0.0.1 and its key.
func certificate(dir string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	like := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "prumo test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, like, like, key.Public(), key)
	if err != nil {
		return "", fmt.Errorf("make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600); err != nil {
		return "", fmt.Errorf("write the certificate: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return "", fmt.Errorf("write the key: %w", err)
	}
	return string(cert), nil
}

// Change applies LDIF as Admin; what has no changetype is added.
func (s *LDAPServer) Change(ldif string) {
	s.t.Helper()
	s.ChangeAs(s.Admin, s.Password, ldif)
}

// ChangeAs applies LDIF as somebody else.
func (s *LDAPServer) ChangeAs(dn, password, ldif string) {
	s.t.Helper()
	if out, err := s.run("ldapmodify", ldif, dn, password, "-a"); err != nil {
		s.t.Fatalf("ldapmodify: %v\n%s\n%s", err, out, ldif)
	}
}

// Binds reports whether a name and password are let in.
func (s *LDAPServer) Binds(dn, password string) bool {
	s.t.Helper()
	_, err := s.run("ldapwhoami", "", dn, password)
	return err == nil
}

func (s *LDAPServer) run(program, in, dn, password string, args ...string) ([]byte, error) {
	args = append([]string{"-x", "-H", "ldaps://" + s.TLSAddr, "-D", dn, "-w", password}, args...)
	cmd := exec.CommandContext(s.t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "LDAPTLS_REQCERT=never")
	cmd.Stdin = strings.NewReader(in)
	return cmd.CombinedOutput()
}
