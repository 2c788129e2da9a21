package ui

// Errors are what is wrong with what was typed: field → sentence. The empty
// field is the whole.
type Errors map[string]string

// A Field is one control of a form.
type Field struct {
	Name     string
	Label    string
	Hint     string
	Type     string // text, url, email, password, number, date, textarea, select, checkbox, list, document; empty: text
	Value    string
	Options  []Option
	Optional bool
	Checked  bool
}

func (f Field) id() string { return "f-" + f.Name }

// described names the hint and the reason that belong to a control.
func (f Field) described(errs Errors) string {
	s := ""
	if f.Hint != "" {
		s = f.id() + "-hint"
	}
	if errs[f.Name] != "" {
		if s != "" {
			s += " "
		}
		s += f.id() + "-why"
	}
	return s
}

func (f Field) kind() string {
	switch f.Type {
	case "url", "email", "password", "number", "date":
		return f.Type
	}
	return "text"
}
