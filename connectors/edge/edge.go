// Package edge looks at hosts and domains from outside, as anybody on the
// internet can: the TLS and the headers of a host, the mail and DNS rules of a
// domain. It needs no credential and sends nothing but ordinary requests.
//
// Each host and each domain is a scope of its own. What did not answer in time
// stays unknown and makes its scope partial. SSL 3 and older are not tried.
//
// Start at Collect; then endpoint.go for hosts and domain.go for domains.
package edge

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/sync/errgroup"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

type edge struct {
	systemServers func() []string // the machine's own resolvers
}

// New returns the connector for hosts and domains as seen from outside.
func New() connector.Connector { return edge{systemServers: systemServers} }

func text(en, pt, es string) connector.Text {
	return connector.Text{"en": en, "pt-BR": pt, "es": es}
}

// Info implements connector.Connector.
func (edge) Info() connector.Info {
	return connector.Info{
		ID:    "edge",
		Title: "Edge",
		Summary: text("Looks at hosts and domains from outside: TLS, certificates, HTTP headers, security.txt, mail and DNS rules.",
			"Olha hosts e domínios de fora: TLS, certificados, cabeçalhos HTTP, security.txt, regras de e-mail e DNS.",
			"Mira hosts y dominios desde fuera: TLS, certificados, cabeceras HTTP, security.txt, reglas de correo y DNS."),
		Origin: fact.OriginAPI,
		Kinds:  []string{"endpoint", "domain"},
		Every:  time.Hour,
		Fields: []connector.Field{
			{Name: "hosts", Type: connector.FieldList, Label: text("Hosts", "Hosts", "Hosts"),
				Hint: text("Name and port, such as app.example.com:443; 443 if no port is given.", "Nome e porta, como app.example.com:443; 443 se não houver porta.", "Nombre y puerto, como app.example.com:443; 443 si no hay puerto.")},
			{Name: "domains", Type: connector.FieldList, Label: text("Domains", "Domínios", "Dominios"),
				Hint: text("Names that send mail or hold hosts, such as example.com.", "Nomes que enviam e-mail ou têm hosts, como example.com.", "Nombres que envían correo o tienen hosts, como example.com.")},
			{Name: "dkim_selectors", Type: connector.FieldMap, Label: text("DKIM selectors", "Seletores DKIM", "Selectores DKIM"),
				Hint: text("Domain and its selectors; `*` stands for every domain. Without them nobody can find the keys, and DKIM stays unknown.",
					"Domínio e seus seletores; `*` vale para todos. Sem eles ninguém acha as chaves, e DKIM fica desconhecido.",
					"Dominio y sus selectores; `*` vale para todos. Sin ellos nadie encuentra las claves, y DKIM queda desconocido.")},
			{Name: "ca", Type: connector.FieldPath, Local: true, Label: text("Private authorities", "Autoridades privadas", "Autoridades privadas"),
				Hint: text("A file with certificates that are trusted beside the system's.", "Arquivo com certificados confiáveis além dos do sistema.", "Archivo con certificados de confianza además de los del sistema.")},
			{Name: "resolver", Type: connector.FieldText, Local: true, Label: text("Resolver", "Resolvedor", "Resolvedor"),
				Hint: text("Address and port of the DNS server to ask; the machine's own if empty.", "Endereço e porta do servidor DNS; o da própria máquina se vazio.", "Dirección y puerto del servidor DNS; el de la propia máquina si está vacío.")},
			{Name: "timeout", Type: connector.FieldInt, Default: int64(10), Label: text("Seconds to wait", "Segundos de espera", "Segundos de espera"),
				Hint: text("For each connection and each answer.", "Para cada conexão e cada resposta.", "Para cada conexión y cada respuesta.")},
		},
	}
}

// An options value is the checked settings.
type options struct {
	hosts     []target
	domains   []string
	selectors map[string][]string
	roots     *x509.CertPool // nil: the system's
	resolver  string
	timeout   time.Duration
}

type target struct {
	host string
	port int
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(t.port)) }

func wrong(field, why string) error {
	return fmt.Errorf("%w: %s: %s", connector.ErrSettings, field, why)
}

func readOptions(s connector.Settings) (options, error) {
	o := options{timeout: 10 * time.Second, selectors: map[string][]string{}, resolver: s.Text("resolver")}
	if n := s.Int("timeout"); n > 0 {
		o.timeout = time.Duration(min(n, 120)) * time.Second
	}
	for _, h := range s.List("hosts") {
		t, err := parseTarget(h)
		if err != nil {
			return o, err
		}
		if !slices.Contains(o.hosts, t) {
			o.hosts = append(o.hosts, t)
		}
	}
	for _, d := range s.List("domains") {
		name, err := domainName(d)
		if err != nil {
			return o, wrong("domains", fmt.Sprintf("%q is not a domain; write it as example.com", d))
		}
		if !slices.Contains(o.domains, name) {
			o.domains = append(o.domains, name)
		}
	}
	for d, list := range s.Map("dkim_selectors") {
		name := d
		if d != "*" {
			var err error
			if name, err = domainName(d); err != nil {
				return o, wrong("dkim_selectors", fmt.Sprintf("%q is not a domain", d))
			}
		}
		o.selectors[name] = list
	}
	if len(o.hosts)+len(o.domains) == 0 {
		return o, wrong("hosts", "is missing, and domains too; name at least one")
	}
	if o.resolver != "" {
		if _, err := netip.ParseAddrPort(o.resolver); err != nil {
			a, err := netip.ParseAddr(o.resolver)
			if err != nil {
				return o, wrong("resolver", "must be an address such as 9.9.9.9 or 9.9.9.9:53")
			}
			o.resolver = netip.AddrPortFrom(a, 53).String()
		}
	}
	return o, o.readCA(s.Text("ca"))
}

func (o *options) readCA(file string) error {
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return wrong("ca", "cannot be read; give a file of PEM certificates")
	}
	if o.roots, err = x509.SystemCertPool(); err != nil {
		o.roots = x509.NewCertPool()
	}
	if !o.roots.AppendCertsFromPEM(b) {
		return wrong("ca", "holds no PEM certificate")
	}
	return nil
}

func parseTarget(s string) (target, error) {
	bad := wrong("hosts", fmt.Sprintf("%q is not a host and port; write it as app.example.com:443", s))
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), "443"
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return target{}, bad
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		return target{host: a.String(), port: n}, nil
	}
	if host, err = domainName(host); err != nil {
		return target{}, bad
	}
	return target{host: host, port: n}, nil
}

// domainName is the name in the form of the DNS: lower case, ASCII, no dot at the end.
func domainName(s string) (string, error) {
	s = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(s), "."))
	name, err := idna.Lookup.ToASCII(s)
	if err != nil && strings.Contains(s, "_") {
		name, err = s, nil
	}
	if err != nil || name == "" || len(name) > 253 || strings.ContainsAny(name, " /:@\\\"'") {
		return "", fmt.Errorf("%q is not a domain name", s)
	}
	return name, nil
}

// A finding is what one host or domain turned out to be, to be emitted in order.
type finding struct {
	scope, kind, id string
	data            fact.Data // nil: nothing could be said
	tally           []string  // what was not seen, in words for people
}

// Collect implements connector.Connector.
func (e edge) Collect(ctx context.Context, run connector.Run, emit connector.Emit) error {
	o, err := readOptions(run.Settings)
	if err != nil {
		return err
	}
	out := make([]finding, len(o.hosts)+len(o.domains))
	var g errgroup.Group
	g.SetLimit(8)
	for i, t := range o.hosts {
		g.Go(func() error {
			out[i] = (&probe{target: t, options: o, dial: run.Dial, now: run.Now}).look(ctx)
			return nil
		})
	}
	r := &resolver{servers: e.systemServers(), dial: (&net.Dialer{}).DialContext, timeout: o.timeout}
	if o.resolver != "" {
		r.servers, r.dial = []string{o.resolver}, run.Dial
	}
	for i, d := range o.domains {
		g.Go(func() error {
			out[len(o.hosts)+i] = (&survey{name: d, options: o, dns: r}).look(ctx)
			return nil
		})
	}
	_ = g.Wait() // looking returns no error: what was not seen is in each finding
	for _, f := range out {
		if err := f.emit(ctx, emit); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f finding) emit(ctx context.Context, emit connector.Emit) error {
	if err := emit.Open(connector.Scope{Name: f.scope, Kinds: []string{f.kind}}); err != nil {
		return fmt.Errorf("open scope %s: %w", f.scope, err)
	}
	if f.data != nil {
		if err := emit.Fact(f.scope, f.id, f.data); err != nil {
			return fmt.Errorf("emit %s: %w", f.id, err)
		}
	}
	d := connector.Detail{Of: 1, Why: strings.Join(f.tally, "; ")}
	switch {
	case ctx.Err() != nil:
		d.Why = "the reading was cancelled"
		return emit.Close(f.scope, fact.Partial, d)
	case len(f.tally) > 0:
		return emit.Close(f.scope, fact.Partial, d)
	default:
		return emit.Close(f.scope, fact.Complete, d)
	}
}
