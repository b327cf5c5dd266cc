package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"time"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// archive writes OPA's bundle format so that the same content is the same bytes anywhere: fixed order, owner, mode and
// time, and stored rather than deflated, because a compressor's output may change from one Go release to the next.
func archive(wasm, data []byte, manifest *bundle.Manifest) ([]byte, error) {
	described, err := json.Marshal(manifest)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		return nil, err
	}
	packed := tar.NewWriter(zipped)
	for _, file := range []struct {
		name    string
		content []byte
	}{{"/.manifest", described}, {"/data.json", data}, {"/policy.wasm", wasm}} {
		header := &tar.Header{Name: file.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(file.content)),
			ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if err := packed.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := packed.Write(file.content); err != nil {
			return nil, err
		}
	}
	if err := packed.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
