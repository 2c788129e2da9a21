package sources

import "net/url"

func escape(name string) string { return url.PathEscape(name) }
