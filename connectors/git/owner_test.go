package git

import (
	"os"
	"path/filepath"
	"testing"
)

// A repository that belongs to another account can be read: git's own refusal
// guards against the repository's configuration, which is never used.
func TestAnotherOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root can give a repository away")
		return
	}
	c := newCheckout(t)
	head := c.commit("first", "CODEOWNERS", "* @ana\n")
	err := filepath.WalkDir(c.dir, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, 12345, 12345)
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "head_commit", repository(t, read(t, c.settings(nil))).HeadCommit, head)
}
