// Prints the files of a build context that BuildKit sends for a recipe, one a line: BuildKit's own matcher reads the recipe's ignore file.
// It asks no engine, and reads no file of the context.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: context-check RECIPE CONTEXT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(recipe, context string) error {
	ignore, err := os.Open(recipe + ".dockerignore") // BuildKit prefers it to the .dockerignore of the context
	if err != nil {
		return err
	}
	defer ignore.Close()
	patterns, err := ignorefile.ReadAll(ignore)
	if err != nil {
		return err
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	return filepath.WalkDir(context, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile, as by a compiler
			return nil
		}
		if err != nil || path == context {
			return err
		}
		name, err := filepath.Rel(context, path)
		if err != nil {
			return err
		}
		ignored, err := matcher.MatchesOrParentMatches(name)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && ignored && !namesInside(patterns, name):
			return filepath.SkipDir
		case !entry.IsDir() && !ignored:
			fmt.Println(name)
		}
		return nil
	})
}

// Whether an exception names something in the directory: BuildKit enters an ignored one only then.
func namesInside(patterns []string, directory string) bool {
	for _, pattern := range patterns {
		if strings.HasPrefix(pattern, "!"+directory+"/") {
			return true
		}
	}
	return false
}
