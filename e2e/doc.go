// Package e2e drives the console with a real browser: every page at three
// widths, light and dark, is free of axe's violations, of sideways scrolling
// and of refused scripts; and it works with and without JavaScript.
//
// Run it with PRUMO_SCREENS=DIR to keep a picture of every page.
package e2e
