#!/usr/bin/env bash
# Makes what is generated and committed: Go from templ, the style sheet, and the
# copies of htmx that pages load. Running it twice changes nothing.
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
tools/setup.sh templ npm

"$(program templ templ github.com/a-h/templ)" generate -path internal/web -log-level error

sum=$(sha256sum tools/npm/package-lock.json | cut -c1-12)
modules="$tools/npm-$sum/node_modules"
assets=internal/web/ui/assets
mkdir -p "$assets"
cp "$modules/htmx.org/dist/htmx.min.js" "$assets/"
cp "$modules/htmx.org/dist/ext/hx-sse.min.js" "$modules/htmx.org/dist/ext/hx-csp.min.js" "$assets/"
# The copies would point browsers at maps that are not served.
sed -i '/^\/\/# sourceMappingURL=/d' "$assets"/*.min.js
NODE_PATH="$modules" node "$modules/@tailwindcss/cli/dist/index.mjs" \
  --input internal/web/ui/css/app.css --output "$assets/app.css" --minify
