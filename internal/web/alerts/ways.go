package alerts

import (
	"net/url"
	"strings"

	"prumo.dev/prumo/internal/alert"
	"prumo.dev/prumo/internal/alert/channel"
	"prumo.dev/prumo/internal/web"
	"prumo.dev/prumo/internal/web/ui"
)

// A way is one channel as the form asks for it.
type way struct {
	name   string
	open   bool // something was typed
	fields []ui.Field
}

// formers are the channels that describe their fields.
func formers() ([]channel.Former, error) {
	all, err := alert.Channels(alert.ChannelConfig{})
	if err != nil {
		return nil, err
	}
	var out []channel.Former
	for _, c := range all {
		if f, ok := c.(channel.Former); ok {
			out = append(out, f)
		}
	}
	return out, nil
}

// waysOf lays out the fields of every channel. What is secret is not shown
// again.
func waysOf(r *web.Request, typed url.Values) ([]way, error) {
	channels, err := formers()
	if err != nil {
		return nil, err
	}
	out := make([]way, 0, len(channels))
	for _, c := range channels {
		w := way{name: c.Name()}
		for _, f := range c.Fields() {
			name := c.Name() + "." + f.Name
			field := ui.Field{
				Name: name, Label: r.Or("way."+name, r.Or("way."+f.Name, f.Name)), Optional: f.Optional, Value: typed.Get(name),
			}
			switch {
			case f.Secret:
				field.Type, field.Value = "password", ""
			case f.Options != nil:
				field.Type, field.Options = "select", []ui.Option{{Value: "", Text: r.T("way.any")}}
				for _, o := range f.Options {
					field.Options = append(field.Options, ui.Option{Value: o, Text: o})
				}
			}
			w.open = w.open || typed.Get(name) != ""
			w.fields = append(w.fields, field)
		}
		out = append(out, w)
	}
	return out, nil
}

// addWays puts what was typed for each channel under its name, as prumo.yaml
// would.
func addWays(to map[string]any, form url.Values) error {
	channels, err := formers()
	if err != nil {
		return err
	}
	for _, c := range channels {
		settings := map[string]any{}
		for _, f := range c.Fields() {
			if s := strings.TrimSpace(form.Get(c.Name() + "." + f.Name)); s != "" {
				settings[f.Name] = s
			}
		}
		if len(settings) > 0 {
			to[c.Name()] = settings
		}
	}
	return nil
}
