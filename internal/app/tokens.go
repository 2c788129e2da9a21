package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"prumo.dev/prumo/internal/access"
	"prumo.dev/prumo/internal/name"
)

type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Make a token and print it, once."`
}

type tokenCreateCmd struct {
	Role    string        `help:"What it may do: owner, manager, control-owner, member, viewer or auditor." xor:"what" required:""`
	Source  string        `help:"Let it write the facts of this push source, and nothing else." xor:"what" required:""`
	Name    string        `help:"Who it speaks as: shown in lists, and kept as who asked for or approved an exception; a mail address or a name; made up where it is left out."`
	Expires time.Duration `help:"How long it holds, such as 720h; 0 is for ever." default:"0s"`
}

// Run prints a new token.
func (c tokenCreateCmd) Run(ctx context.Context, p Process) (err error) {
	role := access.Nobody
	if c.Source == "" {
		if role, err = access.ParseRole(c.Role); err != nil {
			return err
		}
	} else if !name.Valid(c.Source) {
		return fmt.Errorf("a source cannot be called %q; use %s", c.Source, name.Rule)
	}
	if c.Name == "" {
		c.Name = access.TokenName(role, c.Source)
	} else if !name.ValidToken(c.Name) {
		return fmt.Errorf("a token cannot be called %q; use %s, or the mail address of whom it speaks for", c.Name, name.Rule)
	}
	if c.Expires < 0 {
		return errors.New("--expires lies in the past; give a duration such as 720h")
	}
	in, err := openInstance(ctx, p, quiet(p))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	t, err := in.keeper.Token(ctx, c.Name, role, c.Source, c.Expires)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, t)
	return err
}

type loginLinkCmd struct{}

// Run prints a fresh sign-in link; the ones before stay good for their ten minutes.
func (loginLinkCmd) Run(ctx context.Context, p Process) (err error) {
	in, err := openInstance(ctx, p, quiet(p))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	link, err := in.loginLink(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, link)
	return err
}

func (in *instance) loginLink(ctx context.Context) (string, error) {
	secret, err := in.keeper.Link(ctx)
	if err != nil {
		return "", err
	}
	return in.baseURL() + "/login?token=" + url.QueryEscape(secret), nil
}

// baseURL is how people reach the instance.
func (in *instance) baseURL() string {
	if in.env.PublicURL != "" {
		return in.env.PublicURL
	}
	return "http://" + reachable(in.env.Addr)
}
