package web_test

import (
	"crypto/tls"
	"net/http"
)

// insecure is for the test server's own certificate.
func insecure() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
}
