package objectstore

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"testing"
	"time"
)

// makeContainer asks Azurite for the container, with a request signed as Azure has it (Shared Key).
func (s *Store) makeContainer(t testing.TB) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, "http://"+s.Addr+"/sealock/"+bucket+"?restype=container", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	date := time.Now().UTC().Format(http.TimeFormat)
	const version = "2021-08-06"
	req.Header.Set("x-ms-date", date)
	req.Header.Set("x-ms-version", version)
	key, err := base64.StdEncoding.DecodeString(SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" + date + "\nx-ms-version:" + version + "\n/sealock/sealock/" + bucket + "\nrestype:container"))
	req.Header.Set("Authorization", "SharedKey sealock:"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("making a container: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("making a container = %s, want 201", resp.Status)
	}
}
