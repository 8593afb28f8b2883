package settings_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/sealock/sealock/settings"
)

// pasted is a block as distribution's documentation has it, with the values that YAML would read as something else.
const pasted = `registry:
  storage:
    s3:
      accesskey: AKIAEXAMPLE
      secretkey: canary/secret
      region: us-west-1
      regionendpoint: http://127.0.0.1:9000
      forcepathstyle: true
      bucket: 2026
      encrypt: "false"
      secure: false
      chunksize: "5242880"
      rootdirectory: /images
      loglevel: off
    delete: {enabled: false}
    redirect: {disable: false}
    cache: {blobdescriptor: inmemory, blobdescriptorsize: 10000}
    tag: {concurrencylimit: 8}
    maintenance:
      uploadpurging: {enabled: true, age: 24h}
      readonly: {enabled: false}
`

func TestStorageIsReadAsDistributionDoes(t *testing.T) {
	cfg, err := load(t, pasted, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{
		"s3": {
			"accesskey": "AKIAEXAMPLE", "secretkey": "canary/secret", "region": "us-west-1", "regionendpoint": "http://127.0.0.1:9000", "forcepathstyle": true,
			"bucket": "2026", "encrypt": false, "secure": false, "chunksize": 5242880, "rootdirectory": "/images",
		},
		"delete": {"enabled": false}, "redirect": {"disable": false}, "cache": {"blobdescriptor": "inmemory", "blobdescriptorsize": 10000},
		"tag": {"concurrencylimit": 8},
		"maintenance": {
			"uploadpurging": map[any]any{"enabled": true, "age": "24h", "interval": "24h", "dryrun": false}, "readonly": map[any]any{"enabled": false},
		},
	}
	if got := cfg.Registry.Storage.Reveal(); !reflect.DeepEqual(got, want) {
		t.Errorf("storage = %#v, want %#v", got, want)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, cfg); strings.Contains(text, "canary") {
			t.Errorf("%s shows the secret", format)
		}
	}
}

func TestStorageFromElsewhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("canary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const block = "registry: {storage: {s3: {accesskey: a, bucket: b, region: eu-central-1%s}}}\n"
	for _, tt := range []struct {
		name, yaml string
		environ    []string
	}{
		{"a file", fmt.Sprintf(block, ", secretkey_file: "+file), nil},
		{"the environment", fmt.Sprintf(block, ""), []string{"SEALOCK_REGISTRY_STORAGE_S3_SECRETKEY=canary"}},
		{"the environment over a file", fmt.Sprintf(block, ", secretkey: other"), []string{"SEALOCK_REGISTRY_STORAGE_S3_SECRETKEY=canary"}},
		{"a file that the environment names", fmt.Sprintf(block, ""), []string{"SEALOCK_REGISTRY_STORAGE_S3_SECRETKEY_FILE=" + file}},
		{"the environment alone", "", []string{
			"SEALOCK_REGISTRY_STORAGE_S3_ACCESSKEY=a", "SEALOCK_REGISTRY_STORAGE_S3_SECRETKEY=canary", "SEALOCK_REGISTRY_STORAGE_S3_BUCKET=b",
			"SEALOCK_REGISTRY_STORAGE_S3_REGION=eu-central-1", "SEALOCK_REGISTRY_STORAGE_REDIRECT_DISABLE=true",
		}},
	} {
		cfg, err := load(t, tt.yaml, tt.environ, nil)
		if got := cfg.Registry.Storage.Reveal()["s3"]["secretkey"]; err != nil || got != "canary" || cfg.Registry.Storage.Driver() != "s3" {
			t.Errorf("%s: secret = %v, %v, want canary", tt.name, got, err)
		}
	}
	cfg, err := load(t, "registry: {storage: filesystem, redirects: follow}\n", nil, nil)
	if got := cfg.Registry.Storage.Reveal(); err != nil || cfg.Registry.Storage.Driver() != "filesystem" || got["redirect"]["disable"] != true {
		t.Errorf("a driver by its name = %v, %v, want it, and no redirects", got, err)
	}
	azure := "registry: {storage: {azure: {accountname: a, container: c, max_retries: 3, retry_delay: 1s, credentials: {type: client_secret, clientid: i, tenantid: t}}}}\n"
	cfg, err = load(t, azure, []string{"SEALOCK_REGISTRY_STORAGE_AZURE_CREDENTIALS_SECRET=canary"}, nil)
	want := map[string]any{"accountname": "a", "container": "c", "max_retries": 3, "retry_delay": "1s", "credentials": map[any]any{"type": "client_secret", "clientid": "i", "tenantid": "t", "secret": "canary"}}
	if got := cfg.Registry.Storage.Reveal()["azure"]; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("azure = %v, %v, want %v", got, err, want)
	}
	cfg, err = load(t, "registry: {storage: {gcs: {bucket: b, credentials: {type: service_account, private_key: canary}}}}\n", nil, nil)
	if got := cfg.Registry.Storage.Reveal()["gcs"]["credentials"]; err != nil || !reflect.DeepEqual(got, map[any]any{"type": "service_account", "private_key": "canary"}) {
		t.Errorf("gcs.credentials = %v, %v, want them whole", got, err)
	}
	if text := fmt.Sprintf("%+v", cfg); strings.Contains(text, "canary") {
		t.Error("the settings show a private key")
	}
}

func TestStorageFaults(t *testing.T) {
	for _, tt := range []struct {
		name, storage string
		environ       []string
		want          []string
	}{
		{"two drivers", "{filesystem: {}, s3: {bucket: b, region: r}}", nil, []string{"registry.storage: names two drivers: filesystem and s3"}},
		{"an unknown driver", "{swift: {password: canary}}", nil, []string{"registry.storage.swift: is no driver"}},
		{"a misspelled driver", "{filesytem: {}}", nil, []string{`did you mean "filesystem"?`}},
		{"memory", "{inmemory: {}}", nil, []string{"registry.storage.inmemory: forgets all images at each restart: use filesystem"}},
		{"an unknown key", "{s3: {buckt: canary}}", nil, []string{`registry.storage.s3.buckt: is no setting: did you mean "bucket"?`}},
		{"an unknown key inside", "{maintenance: {uploadpurging: {ag: 1h}}}", nil, []string{`registry.storage.maintenance.uploadpurging.ag: is no setting: did you mean "age"?`}},
		{"no bucket", "{s3: {region: r}}", nil, []string{"registry.storage.s3.bucket: is missing"}},
		{"no region", "{s3: {bucket: b}}", nil, []string{"registry.storage.s3.region: is missing"}},
		{"half a key", "{s3: {bucket: b, region: r, secretkey: canary}}", nil, []string{"registry.storage.s3.secretkey: and accesskey go together"}},
		{"no container", "{azure: {accountname: a, accountkey: canary, credentials: {type: shared_key}}}", nil, []string{"registry.storage.azure.container: is missing"}},
		{"a block of 2.8", "{azure: {accountname: a, accountkey: canary, container: c}}", nil, []string{"registry.storage.azure.credentials.type: is none of shared_key"}},
		{"two keys", "{gcs: {bucket: b, keyfile: f, credentials: {private_key: canary}}}", nil, []string{"registry.storage.gcs.keyfile: is set together with credentials"}},
		{"a number for a secret", "{s3: {bucket: b, region: r, accesskey: a, secretkey: 0123}}", nil, []string{"registry.storage.s3.secretkey: is no text: put it into quotes"}},
		{"no flag", "{redirect: {disable: canary}}", nil, []string{"registry.storage.redirect.disable: is neither true nor false"}},
		{"no number", "{s3: {bucket: b, region: r, chunksize: canary}}", nil, []string{"registry.storage.s3.chunksize: is no whole number"}},
		{"no time", "{maintenance: {uploadpurging: {age: canary}}}", nil, []string{"registry.storage.maintenance.uploadpurging.age: is no time"}},
		{"signed URLs on the terminal", "{s3: {bucket: b, region: r, loglevel: debugwithsigning}}", nil, []string{"registry.storage.s3.loglevel: would print signed URLs"}},
		{"no block", "[canary]", nil, []string{"registry.storage"}},
		{"no block of a driver", "{s3: canary}", nil, []string{"registry.storage"}},
		{"no file", "{s3: {bucket: b, region: r, accesskey: a, secretkey_file: /nowhere}}", nil, []string{`registry.storage.s3.secretkey_file: can't read "/nowhere"`}},
		{"a secret twice", "{s3: {bucket: b, region: r, accesskey: a, secretkey: canary, secretkey_file: /nowhere}}", nil, []string{"registry.storage.s3.secretkey_file: is set together with secretkey"}},
		{"a misspelled variable", "{}", []string{"SEALOCK_REGISTRY_STORAGE_S3_SECRTKEY=canary"}, []string{`did you mean "SEALOCK_REGISTRY_STORAGE_S3_SECRETKEY"?`}},
		{"another registry", "{filesystem: {}}, url: 'http://127.0.0.1:5000'", nil, []string{"registry.storage: is set for the embedded registry"}},
		{"an odd way of redirects", "{}, redirects: canary", nil, []string{"registry.redirects"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, "registry: {storage: "+tt.storage+"}\n", tt.environ, nil)
			faults, ok := errors.AsType[settings.Faults](err)
			if !ok || len(faults) != len(tt.want) {
				t.Fatalf("Load() = %v, want %d faults", err, len(tt.want))
			}
			for i, want := range tt.want {
				if !strings.Contains(faults[i].String(), want) || faults[i].Remedy == "" {
					t.Errorf("fault %d = %s, want one with %q and a remedy", i, faults[i], want)
				}
			}
			if tt.name != "an odd way of redirects" && strings.Contains(err.Error(), "canary") {
				t.Errorf("Load() = %v, want faults without what could be secret", err)
			}
		})
	}
}

// FuzzStorage: whatever stands in the block, what was wrong with it quotes no secret.
func FuzzStorage(f *testing.F) {
	f.Add("s3", "secretkey", "x")
	f.Add("gcs", "credentials", "x")
	f.Add("azure", "credentials", "{secret: x}")
	f.Add("filesystem", "rootdirectory", "[1, {a: b}]")
	f.Add("maintenance", "uploadpurging", "{enabled: 3}")
	f.Fuzz(func(t *testing.T, driver, key, value string) {
		name := filepath.Join(t.TempDir(), "sealock.yaml")
		text := fmt.Sprintf("registry:\n  storage:\n    %s:\n      secretkey: canary-canary\n      accountkey: canary-canary\n      %s: %s\n", driver, key, value)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := settings.Load(settings.Sources{File: name})
		if err != nil && strings.Contains(err.Error(), "canary-canary") {
			t.Errorf("Load() = %v, want no secret", err)
		}
		if err == nil && strings.Contains(fmt.Sprintf("%+v", cfg.Registry.Storage), "canary-canary") {
			t.Error("the settings show a secret")
		}
	})
}
