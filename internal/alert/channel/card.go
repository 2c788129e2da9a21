package channel

// A Card is a message in pieces, already in the receiver's words, for channels
// that lay it out themselves. Every text stands on one line, holds no control
// character and is bounded; it is not escaped for any markup: names in it come
// from outside, so each channel escapes what its other side would read as more
// than text.
type Card struct {
	Status       string // the colour: fail, pass, unknown, plain
	Title        string // what happened, without an answer's "Re:"
	Word         string // the status as a word
	Head         string // what the message tells, in one sentence
	Drill        string // set where the instance is a drill: says that nothing here is real
	Organisation string
	Facts        []Pair // true of the whole message: source, owner, instants
	Blocks       []Block
	MoreChecks   string // how many checks are not listed
	Dropped      int    // things of blocks that a channel left out for want of room
	Link         Link
	Acts         []Link // what the receiver may do by a link: acknowledge, mute
	Why          string // why this receiver is told
	Zone         string // in which zone the times are
	Evidence     string // the label of evidence
	Fix          string // the label of the fix

	// Left says in the receiver's language that n more are not shown. It is
	// never nil in a message that the composer wrote.
	Left func(n int) string
}

// A Pair is a label and its value.
type Pair struct{ Label, Value string }

// A Link is an address of ours and the words that stand for it.
type Link struct{ Text, URL string }

// A Block is one check.
type Block struct {
	Title string
	Facts []Pair // check, severity, controls; owner where owners differ
	Fix   string
	Count int     // all that it is about
	Items []Thing // the first of them
}

// More is how many things of the block are not named.
func (b Block) More() int { return max(0, b.Count-len(b.Items)) }

// A Thing is one line of a block.
type Thing struct {
	Name     string
	ID       string // empty where the name says it
	Message  string
	Fix      string // where it differs from the block's
	Evidence []Pair // field and value, as the source said it
	Facts    []Pair // due date and the rest
	Link     Link
}
