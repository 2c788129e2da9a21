package ticket

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// repositories are names such as acme/security.
var repositories = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}/[A-Za-z0-9_.-]{1,100}$`)

// Repository returns the path of a repository such as acme/security.
func Repository(name string) (string, error) {
	owner, repo, _ := strings.Cut(name, "/")
	if !repositories.MatchString(name) || strings.Trim(owner, ".") == "" || strings.Trim(repo, ".") == "" {
		return "", errors.New("repository is not a name such as acme/security")
	}
	return "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(repo), nil
}

// Labels splits a list that is written with commas.
func Labels(text string) []string {
	var out []string
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			out = append(out, one)
		}
	}
	return out
}
