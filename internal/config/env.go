package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// An Env is what the environment says.
type Env struct {
	Addr        string        // PRUMO_ADDR: where it listens
	Data        string        // PRUMO_DATA: folder of the embedded database, keys and blobs
	DatabaseURL string        // PRUMO_DATABASE_URL: PostgreSQL; empty: embedded
	PublicURL   string        // PRUMO_PUBLIC_URL: how others reach it
	KeyFile     string        // PRUMO_KEY_FILE: key that settings are encrypted with
	SMTPURL     string        // PRUMO_SMTP_URL
	ClockOffset time.Duration // PRUMO_CLOCK_OFFSET
	Drill       bool          // PRUMO_CLOCK_OFFSET was set, be it to 0s
}

// FromEnv reads the environment; lookup is os.LookupEnv.
func FromEnv(lookup func(string) (string, bool)) (Env, error) {
	get := func(name, def string) string {
		if v, ok := lookup(name); ok && v != "" {
			return v
		}
		return def
	}
	e := Env{
		Addr: get("PRUMO_ADDR", "127.0.0.1:8420"), Data: get("PRUMO_DATA", "./data"),
		DatabaseURL: get("PRUMO_DATABASE_URL", ""), PublicURL: get("PRUMO_PUBLIC_URL", ""),
		KeyFile: get("PRUMO_KEY_FILE", ""), SMTPURL: get("PRUMO_SMTP_URL", ""),
	}
	if _, _, err := net.SplitHostPort(e.Addr); err != nil {
		return e, fmt.Errorf("PRUMO_ADDR %q is not an address; write it like 127.0.0.1:8420", e.Addr)
	}
	if u, err := url.Parse(e.PublicURL); e.PublicURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return e, errors.New("PRUMO_PUBLIC_URL is not a web address; write it like https://prumo.example")
	}
	if v, ok := lookup("PRUMO_CLOCK_OFFSET"); ok && v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			return e, fmt.Errorf("PRUMO_CLOCK_OFFSET %q is not a duration; write it like 72h or 0s", v)
		}
		e.ClockOffset, e.Drill = d, true
	}
	return e, nil
}
