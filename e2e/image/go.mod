// The tests of the Dockerfile and the examples, apart because they read YAML and the other tests do not.
module github.com/sealock/sealock/e2e/image

go 1.26.8

require (
	github.com/sealock/sealock/e2e v0.0.0
	go.yaml.in/yaml/v3 v3.0.5
)

replace github.com/sealock/sealock/e2e => ..

replace github.com/sealock/sealock => ../..
