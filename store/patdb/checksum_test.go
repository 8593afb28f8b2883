package patdb_test

import "hash/crc32"

// checksum is written after docs/personal-access-tokens.md and not after the code: whoever forges a token has the page.
func checksum(body string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n := crc32.ChecksumIEEE([]byte(body))
	text := ""
	for range 6 {
		text = string(digits[n%62]) + text
		n /= 62
	}
	return text
}
