package git

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"prumo.dev/prumo/internal/connector"
	"prumo.dev/prumo/internal/fact"
)

func newKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, strings.TrimSpace(string(pem.EncodeToMemory(block)))
}

// serveSSH starts an SSH server that serves one repository to one key.
func serveSSH(t *testing.T, repository string, allowed ssh.PublicKey) (address string, host ssh.PublicKey) {
	t.Helper()
	hostKey, _ := newKey(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if string(k.Marshal()) != string(allowed.Marshal()) {
			return nil, ssh.ErrNoAuth
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(hostKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveSSHConn(c, config, repository)
		}
	}()
	return l.Addr().String(), hostKey.PublicKey()
}

func serveSSHConn(c net.Conn, config *ssh.ServerConfig, repository string) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for n := range channels {
		channel, requests, err := n.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			_ = r.Reply(r.Type == "exec" || r.Type == "env", nil)
			if r.Type != "exec" {
				continue
			}
			cmd := exec.Command("git", "upload-pack", repository)
			cmd.Stdin, cmd.Stdout = channel, channel
			status := struct{ N uint32 }{}
			if cmd.Run() != nil {
				status.N = 1
			}
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
			channel.Close()
		}
	}
}

func TestSSH(t *testing.T) {
	c := newCheckout(t)
	head := c.commit("first", "CODEOWNERS", "* @ana\n")
	bare := filepath.Join(t.TempDir(), "web.git")
	c.git("clone", "-q", "--bare", c.dir, bare)
	c.git("--git-dir="+bare, "config", "uploadpack.allowFilter", "true")
	c.git("--git-dir="+bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	signer, private := newKey(t)
	address, host := serveSSH(t, bare, signer.PublicKey())
	_, port, _ := net.SplitHostPort(address)
	line := "[127.0.0.1]:" + port + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host)))
	settings := connector.Settings{"url": "ssh://git@" + address + "/acme/web.git", "ssh_key": private, "known_hosts": line, "timeout": int64(20)}
	m := read(t, settings)
	wantReading(t, m, fact.Complete)
	want(t, "head_commit", repository(t, m).HeadCommit, head)
	want(t, "code_owners", repository(t, m).CodeOwners, true)

	other, otherPrivate := newKey(t)
	settings["ssh_key"] = otherPrivate
	if d := wantReading(t, read(t, settings), fact.Forbidden); !strings.Contains(d.Why, "SSH key") {
		t.Errorf("another key: why: got %q", d.Why)
	}
	settings["ssh_key"] = private
	settings["known_hosts"] = "[127.0.0.1]:" + port + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(other.PublicKey())))
	if d := wantReading(t, read(t, settings), fact.Partial); !strings.Contains(d.Why, "known_hosts") {
		t.Errorf("another host: why: got %q", d.Why)
	}
}
