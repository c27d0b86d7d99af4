// Command generate generates the stubs of proto/ in gen/, like protoc, with Go modules only.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	source = "proto"
	target = "gen"
	module = "example.org/example-service"
)

// plugins generate the files; go.mod pins their versions.
var plugins = []string{"protoc-gen-go", "protoc-gen-go-grpc"}

func main() {
	if err := generate(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate(ctx context.Context) error {
	names, err := contracts()
	if err != nil {
		return err
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{source}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // the comments
	}
	compiled, err := compiler.Compile(ctx, names...)
	if err != nil {
		return err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: names, Parameter: proto.String(packages(names))}
	for _, file := range compiled {
		request.ProtoFile = withImports(request.ProtoFile, file)
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	for _, plugin := range plugins {
		if err := run(ctx, plugin, request); err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
	}
	return nil
}

// contracts returns the files under proto/, relative to that folder.
func contracts() ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(source), ".", func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".proto" {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// packages returns the options of the plugins: the stubs of a/v1/b.proto are in package gen/bv1, for any service name.
func packages(names []string) string {
	options := []string{"module=" + module}
	for _, name := range names {
		folder, file := filepath.Split(name)
		stubs := strings.TrimSuffix(file, ".proto") + filepath.Base(folder)
		options = append(options, fmt.Sprintf("M%s=%s/%s/%s", name, module, target, stubs))
	}
	return strings.Join(options, ",")
}

// withImports adds a file after its imports, each once.
func withImports(files []*descriptorpb.FileDescriptorProto, file protoreflect.FileDescriptor) []*descriptorpb.FileDescriptorProto {
	if slices.ContainsFunc(files, func(known *descriptorpb.FileDescriptorProto) bool { return known.GetName() == file.Path() }) {
		return files
	}
	for i := range file.Imports().Len() {
		files = withImports(files, file.Imports().Get(i).FileDescriptor)
	}
	return append(files, protoutil.ProtoFromFileDescriptor(file))
}

func run(ctx context.Context, plugin string, request *pluginpb.CodeGeneratorRequest) error {
	input, err := proto.Marshal(request)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "tool", plugin)
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err != nil {
		return err
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(output, response); err != nil {
		return err
	}
	if response.GetError() != "" {
		return errors.New(response.GetError())
	}
	for _, file := range response.GetFile() {
		if err := os.MkdirAll(filepath.Dir(file.GetName()), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file.GetName(), []byte(file.GetContent()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
