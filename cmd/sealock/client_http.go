package main

import (
	"github.com/sealock/sealock/cmd/internal/remote"
)

// remoteServer returns the server at a URL, whose certificate the system or one in caFile vouches for.
func remoteServer(env *environment, serverURL, caFile string) (remote.Server, error) {
	if env.HTTP != nil {
		return remote.Server{URL: serverURL, HTTP: remote.NewHTTP(env.HTTP)}, nil
	}
	var files []string
	if caFile != "" {
		files = append(files, caFile)
	}
	transport, err := remote.Transport(files...)
	if err != nil {
		return remote.Server{}, err
	}
	return remote.Server{URL: serverURL, HTTP: remote.NewHTTP(transport)}, nil
}

// answer is what the generated client returns from every operation.
type answer interface {
	StatusCode() int
	Bytes() []byte
}

// decode reads the object in an answer, or the error that it is.
func decode[T any](a answer, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return remote.Understand[T](a.StatusCode(), a.Bytes())
}

// done waits for the answer of an operation that says nothing but yes or no.
func done(a answer, err error) error {
	_, err = decode[struct{}](a, err)
	return err
}

// largePage is the largest page that the server gives.
const largePage int64 = 100

// pages reads a list to its end.
func pages[T any](fetch func(page int64) (answer, error)) ([]T, error) {
	all := []T{}
	for page := int64(1); ; page++ {
		items, err := decode[[]T](fetch(page))
		if err != nil {
			return nil, err
		}
		if all = append(all, items...); int64(len(items)) < largePage {
			return all, nil
		}
	}
}
