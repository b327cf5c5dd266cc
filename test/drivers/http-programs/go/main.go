// Go's net/http. Reads and prints as told.ts does.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
)

func main() {
	text, err := os.ReadFile(os.Getenv("STEPS"))
	if err != nil {
		fail(err)
	}
	for line := range strings.SplitSeq(strings.TrimRight(string(text), "\n"), "\n") {
		if err := step(strings.Split(line, "\t")); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func step(fields []string) error {
	var body io.Reader
	if count, isBytes := strings.CutPrefix(fields[4], "bytes:"); isBytes {
		length, err := strconv.Atoi(count)
		if err != nil {
			return err
		}
		body = strings.NewReader(strings.Repeat("a", length))
	} else if fields[4] != "" {
		body = strings.NewReader(fields[4])
	}
	request, err := http.NewRequest(fields[1], os.Getenv("API_URL")+fields[2], body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("API_TOKEN"))
	if fields[3] != "" {
		request.Header.Set("Content-Type", fields[3])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	bytes, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	of := answer.Header.Get
	shown := base64.StdEncoding.EncodeToString(bytes[:min(len(bytes), 16384)])
	fmt.Printf("%s\t%d\t%s\t%s\t%s\t%s\t%d\t%x\t%s\n", fields[0], answer.StatusCode, answer.Proto, of("Content-Type"), of("Location"),
		of("X-Decision-Id"), len(bytes), sha256.Sum256(bytes), shown)
	return nil
}
