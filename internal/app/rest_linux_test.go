package app

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// resident reads how much of the files that it maps this process holds, in KB.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "RssFile:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		t.Skip("this kernel does not tell what is resident of files")
	}
	n, err := strconv.Atoi(f[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReleaseProgramGivesBackItsFile(t *testing.T) {
	before := resident(t)
	if err := releaseProgram(); err != nil {
		t.Fatal(err)
	}
	if after := resident(t); after >= before {
		t.Errorf("%d KB of files are resident, as before %d", after, before)
	}
}
