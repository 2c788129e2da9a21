package email

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Server is a mail server as PRUMO_SMTP_URL names it.
type Server struct {
	Host     string
	Port     int
	User     string
	Password string
	TLS      TLS
	From     string // empty: not said
}

// A TLS says how a connection is encrypted.
type TLS string

// The ways of encryption.
const (
	TLSImplicit      TLS = "implicit"      // smtps://
	TLSRequired      TLS = "required"      // STARTTLS or nothing
	TLSOpportunistic TLS = "opportunistic" // STARTTLS where the server offers it
	TLSOff           TLS = "off"
)

// ParseURL reads smtp://[user:password@]host[:port][?tls=…&from=…] or smtps://…
// Its errors never repeat the text, which may hold a password.
func ParseURL(text string) (Server, error) {
	u, err := url.Parse(text)
	if err != nil || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
		return Server{}, errors.New("the mail server's address is not a URL; write smtp://user:password@host:587, with %40 for an @ in the password")
	}
	s := Server{Host: u.Hostname(), TLS: TLSOpportunistic, Port: 25}
	switch {
	case u.Scheme == "smtps":
		s.TLS, s.Port = TLSImplicit, 465
	case u.Scheme != "smtp":
		return Server{}, fmt.Errorf("the mail server's address starts with %q; use smtp:// or smtps://", u.Scheme+"://")
	}
	if strings.Contains(s.Host, ":") && net.ParseIP(s.Host) == nil {
		return Server{}, errors.New("the mail server's address is not a URL; write smtp://user:password@host:587, an IPv6 address in brackets")
	}
	if s.Host == "" {
		return Server{}, errors.New("the mail server's address names no host; write smtp://host:587")
	}
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return Server{}, errors.New("the mail server's address has something after the host; write smtp://user:password@host:587 only")
	}
	if u.User != nil {
		s.User = u.User.Username()
		s.Password, _ = u.User.Password()
		if s.User == "" || s.Password == "" {
			return Server{}, errors.New("the mail server's address names a user without a password; write smtp://user:password@host:587")
		}
		s.Port = map[bool]int{true: 465, false: 587}[s.TLS == TLSImplicit]
		if s.TLS == TLSOpportunistic && !loopback(s.Host) {
			s.TLS = TLSRequired
		}
	}
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil || s.Port < 1 || s.Port > 65535 {
			return Server{}, errors.New("the mail server's port is not a number from 1 to 65535")
		}
	}
	return s, s.options(u.Query())
}

// options reads what stands after the question mark.
func (s *Server) options(q url.Values) error {
	for name, values := range q {
		value := values[len(values)-1]
		switch name {
		case "tls":
			if !slices.Contains([]TLS{TLSRequired, TLSOpportunistic, TLSOff}, TLS(value)) || s.TLS == TLSImplicit {
				return errors.New("the mail server's tls option is not known; use required, opportunistic or off, with smtp:// only")
			}
			s.TLS = TLS(value)
		case "from":
			from, err := Address(value)
			if err != nil {
				return fmt.Errorf("the sender in the mail server's address: %w", err)
			}
			s.From = from
		default:
			return fmt.Errorf("the mail server's address has an unknown option %q; use tls or from", name)
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Address checks one bare mail address and returns it with its domain in lower case.
func Address(text string) (string, error) {
	text = strings.TrimSpace(text)
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || len(text) > 254 || strings.ContainsAny(text, "\r\n\"<>, ") {
		return "", fmt.Errorf("%q is not a mail address; write name@example.org", short(text))
	}
	at := strings.LastIndexByte(text, '@')
	return text[:at] + strings.ToLower(text[at:]), nil
}

func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}
