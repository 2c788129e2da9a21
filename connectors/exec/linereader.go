package exec

import (
	"bufio"
	"errors"
	"io"

	"prumo.dev/prumo/internal/fact"
)

var errLong = errors.New("the line is too long")

// A lineReader reads lines of at most fact.MaxLine bytes; a longer one is
// passed over with errLong.
type lineReader struct {
	r      *bufio.Reader
	number int // of the line last read, from 1
	buf    []byte
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns a line without its end; it is valid until the next call.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		if !long {
			l.buf = append(l.buf, part...)
		}
		if len(l.buf) > fact.MaxLine+1 {
			long, l.buf = true, l.buf[:0]
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(l.buf) == 0 && !long):
			return nil, err
		}
		l.number++
		if long {
			return nil, errLong
		}
		return l.buf, nil
	}
}
