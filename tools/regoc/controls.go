package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/open-policy-agent/opa/v1/util"
)

// controlPack is what policy needs of compliance-mappings: which ids there are, and which pack it was.
type controlPack struct {
	Version string
	Digest  string
	ids     map[string]bool
}

type controlIndex struct {
	Version string   `json:"version"`
	Files   []string `json:"files"`
}

type controlFile struct {
	Controls []struct {
		ID string `json:"id"`
	} `json:"controls"`
}

// readControls follows the pack's index. The digest is SHA-256 over one line a file, index first and then in the index's
// order, each line as sha256sum prints it: an auditor recomputes it with sha256sum alone.
func readControls(dir string) (*controlPack, error) {
	var index controlIndex
	digest := sha256.New()
	if err := readControlFile(dir, "pack.yaml", &index, digest); err != nil {
		return nil, err
	}
	if index.Version == "" || len(index.Files) == 0 {
		return nil, fmt.Errorf("%s: expected version and files", filepath.Join(dir, "pack.yaml"))
	}
	pack := &controlPack{Version: index.Version, ids: map[string]bool{}}
	for _, name := range index.Files {
		var file controlFile
		if err := readControlFile(dir, name, &file, digest); err != nil {
			return nil, err
		}
		for _, control := range file.Controls {
			if control.ID == "" || pack.ids[control.ID] {
				return nil, fmt.Errorf("%s: control id %q is empty or given twice", name, control.ID)
			}
			pack.ids[control.ID] = true
		}
	}
	pack.Digest = hex.EncodeToString(digest.Sum(nil))
	return pack, nil
}

func readControlFile(dir, name string, into any, digest interface{ Write([]byte) (int, error) }) error {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if err := util.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, err = fmt.Fprintf(digest, "%x  %s\n", sha256.Sum256(raw), name)
	return err
}
