package kratos

import (
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

const maxConfig = 1 << 20

// Rules are what Kratos demands of everybody. Its API does not tell; its
// configuration file and the source's settings can.
type rules struct {
	asked        fact.Opt[bool] // who has enrolled a second factor is asked for it
	codeMFA      fact.Opt[bool]
	methods      fact.Opt[[]string]
	minLength    fact.Opt[int64]
	breached     fact.Opt[bool]
	session      fact.Opt[int64]
	registration fact.Opt[bool]
}

// readRules reads the configuration file, where the settings name one. What
// cannot be read leaves every rule unknown.
func readRules(s connector.Settings) (rules, error) {
	var r rules
	var err error
	if path := s.Text("config"); path != "" {
		r, err = rulesFile(path)
	}
	if _, said := s["code_mfa"]; said {
		r.codeMFA = fact.Some(s.Bool("code_mfa"))
	}
	return r, err
}

func rulesFile(path string) (rules, error) {
	f, err := os.Open(path)
	if err != nil {
		return rules{}, fmt.Errorf("open the configuration of kratos: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return rules{}, fmt.Errorf("read the configuration of kratos: %w", err)
	}
	if len(b) > maxConfig {
		return rules{}, fmt.Errorf("the configuration of kratos: %w", connector.ErrTooLarge)
	}
	return parseRules(b)
}

// A method is one of Kratos' ways to sign in.
type method struct {
	Enabled *bool `yaml:"enabled"`
	MFA     *bool `yaml:"mfa_enabled"`
	Config  struct {
		MinLength    *int64 `yaml:"min_password_length"`
		Breached     *bool  `yaml:"haveibeenpwned_enabled"`
		Passwordless *bool  `yaml:"passwordless"`
	} `yaml:"config"`
}

type configFile struct {
	SelfService struct {
		Methods map[string]method `yaml:"methods"`
		Flows   struct {
			Registration struct {
				Enabled *bool `yaml:"enabled"`
			} `yaml:"registration"`
		} `yaml:"flows"`
	} `yaml:"selfservice"`
	Session struct {
		Lifespan string `yaml:"lifespan"`
		WhoAmI   struct {
			RequiredAAL string `yaml:"required_aal"`
		} `yaml:"whoami"`
	} `yaml:"session"`
}

// parseRules reads a configuration in YAML or JSON, with the defaults of Kratos'
// schema for what it leaves out. No error holds a word of the file: secrets
// stand in it.
func parseRules(b []byte) (rules, error) {
	var c configFile
	if err := yaml.Unmarshal(b, &c); err != nil {
		return rules{}, fmt.Errorf("the configuration of kratos: %w", connector.ErrFormat)
	}
	if c.SelfService.Methods == nil && c.Session.Lifespan == "" {
		return rules{}, fmt.Errorf("the configuration of kratos: %w", connector.ErrFormat)
	}
	on := func(p *bool, otherwise bool) bool {
		if p == nil {
			return otherwise
		}
		return *p
	}
	m := c.SelfService.Methods
	code := on(m[credCode].MFA, false)
	r := rules{
		asked:        fact.Some(c.Session.WhoAmI.RequiredAAL != "aal1"),
		codeMFA:      fact.Some(code),
		registration: fact.Some(on(c.SelfService.Flows.Registration.Enabled, true)),
		session:      fact.Some(int64((24 * time.Hour).Seconds())),
	}
	if c.Session.Lifespan != "" {
		d, err := time.ParseDuration(c.Session.Lifespan)
		r.session = fact.SomeIf(int64(d.Seconds()), err == nil && d > 0)
	}
	if password := m[credPassword]; on(password.Enabled, true) {
		r.minLength = fact.Some(int64(8))
		if n := password.Config.MinLength; n != nil {
			r.minLength = fact.Some(*n)
		}
		r.breached = fact.Some(on(password.Config.Breached, true))
	}
	methods := []string{}
	for _, name := range []string{credTOTP, credLookup} {
		if on(m[name].Enabled, false) {
			methods = append(methods, name)
		}
	}
	if key := m[credWebAuthn]; on(key.Enabled, false) && !on(key.Config.Passwordless, false) {
		methods = append(methods, credWebAuthn)
	}
	if code {
		methods = append(methods, credCode)
	}
	slices.Sort(methods)
	r.methods = fact.Some(methods)
	return r, nil
}
