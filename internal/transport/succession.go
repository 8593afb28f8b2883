package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Bequest is a file that the next process gets under a name.
type Bequest struct {
	Name string
	File *os.File
}

// Succession is the row of processes that serve one after the other. The first one is the one that whoever started the
// server knows: a service manager, a container, a shell. When it has handed over and its requests have ended, it stays
// as long as another one serves, passes on what it is told, and ends as the last one does.
type Succession struct {
	first bool
	leash *os.File // the first one's end is for writing, and nothing is ever written
	line  *os.File // the first one's end is for reading
}

// NewSuccession takes this process's place in the row.
func NewSuccession(l *Legacy) *Succession {
	s := &Succession{leash: l.Take(leashName), line: l.Take(lineName)}
	s.first = s.leash == nil
	return s
}

// Bound returns a context that ends when the first process wants all to end. stop releases it.
func (s *Succession) Bound(ctx context.Context) (bound context.Context, stop func()) {
	bound, cancel := context.WithCancel(ctx)
	if s.first {
		return bound, cancel
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, s.leash) // nothing comes but its end
		cancel()
	}()
	return bound, func() {
		cancel()
		_ = s.leash.Close() // ends the reading
		<-ended
	}
}

// Heir is the process that serves after this one.
type Heir struct {
	pid   int
	ended chan error // how it ended, once
}

// HandOver starts the next process and waits until it serves. It gets copies; if it does not come up, nothing has
// happened. What it may use besides, cmd says.
func (s *Succession) HandOver(ctx context.Context, cmd *exec.Cmd, patience time.Duration, files []Bequest) (*Heir, error) {
	ready, readyEnd, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ready.Close()    // read
	defer readyEnd.Close() // the heir has its own
	own, mine, err := s.ties()
	if err != nil {
		return nil, err
	}
	files = append(append(files, Bequest{readyName, readyEnd}), own...)
	if err := start(cmd, files); err != nil {
		mine.abandon()
		return nil, err
	}
	mine.started()
	_ = readyEnd.Close() // or its end would never be seen
	h := &Heir{pid: cmd.Process.Pid, ended: make(chan error, 1)}
	go func() { h.ended <- cmd.Wait() }()
	if err := awaitReady(ctx, ready, patience); err != nil {
		_ = cmd.Process.Kill() // it may have ended
		err = errors.Join(err, <-h.ended)
		mine.abandon()
		return nil, err
	}
	if s.first {
		s.leash, s.line = mine.leash, mine.line
		return h, nil
	}
	s.say(strconv.Itoa(h.pid))
	return h, nil
}

// ties are the ends of pipes that the first process keeps.
type ties struct {
	leash, line *os.File
	given       []*os.File // the other ends, which are the heir's alone
}

// ties returns what binds the heir to the first process.
func (s *Succession) ties() (own []Bequest, mine ties, err error) {
	if !s.first {
		return []Bequest{{leashName, s.leash}, {lineName, s.line}}, ties{}, nil
	}
	leashEnd, leash, err := os.Pipe()
	if err != nil {
		return nil, ties{}, err
	}
	line, lineEnd, err := os.Pipe()
	if err != nil {
		return nil, ties{}, errors.Join(err, leash.Close(), leashEnd.Close())
	}
	return []Bequest{{leashName, leashEnd}, {lineName, lineEnd}}, ties{leash, line, []*os.File{leashEnd, lineEnd}}, nil
}

func (t *ties) started() {
	for _, f := range t.given {
		_ = f.Close() // the heir has its own
	}
	t.given = nil
}

func (t *ties) abandon() {
	t.started()
	for _, f := range []*os.File{t.leash, t.line} {
		if f != nil {
			_ = f.Close() // nobody is at the other end
		}
	}
}

// start runs the command with the files.
func start(cmd *exec.Cmd, files []Bequest) error {
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
		cmd.ExtraFiles = append(cmd.ExtraFiles, f.File)
	}
	list, err := json.Marshal(names)
	if err != nil {
		return err
	}
	env := cmd.Env
	if env == nil {
		env = os.Environ()
	}
	cmd.Env = nil
	for _, pair := range env {
		if !strings.HasPrefix(pair, legacyEnv+"=") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, legacyEnv+"="+string(list))
	return cmd.Start()
}

var errNotReady = errors.New("the next process ended before it served: it says why")

func awaitReady(ctx context.Context, ready *os.File, patience time.Duration) error {
	if err := ready.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Unix(1, 0)) })()
	word, err := io.ReadAll(ready)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("waiting for the next process: %w", err)
	case string(word) != readyName:
		return errNotReady
	}
	return nil
}

// Words that the first process is told besides process ids.
const (
	wordDone = "done" // who served last has ended as it should
	wordLost = "lost" // who served last has not
)

// Done says that this process has served to the end and has no heir.
func (s *Succession) Done() { s.say(wordDone) }

func (s *Succession) say(word string) {
	if !s.first {
		_, _ = io.WriteString(s.line, word+"\n") // the first one may be gone
	}
}

// Close closes this process's ends.
func (s *Succession) Close() {
	for _, f := range []*os.File{s.leash, s.line} {
		if f != nil {
			_ = f.Close() // nothing is buffered
		}
	}
}

var errLost = errors.New("the process that took over ended unexpectedly")

// Follow is what a process does besides letting its requests end once it has an heir. The first process of the row waits here
// until the last one has ended: it ends all when ctx does, and passes the signal on to who serves. The others look after their heir, and return when settled ends.
func (s *Succession) Follow(ctx context.Context, h *Heir, again <-chan os.Signal, settled <-chan struct{}) error {
	if !s.first {
		select {
		case err := <-h.ended:
			if err != nil {
				s.say(wordLost)
			}
			<-settled
		case <-settled:
		}
		return nil
	}
	words := s.listen()
	pid, done, over := h.pid, false, ctx.Done()
	for {
		select {
		case word, more := <-words:
			switch {
			case !more && done:
				return nil
			case !more:
				return errLost
			case word == wordDone || word == wordLost: // nobody serves any more
				done, over = word == wordDone, s.release()
			default:
				if n, err := strconv.Atoi(word); err == nil {
					pid = n
				}
			}
		case <-over:
			over = s.release()
		case <-again:
			_ = syscall.Kill(pid, syscall.SIGHUP) // if it has just ended, the line says so
		}
	}
}

// release lets all of the row end. It returns a channel on which nothing comes.
func (s *Succession) release() <-chan struct{} {
	if s.leash != nil {
		_ = s.leash.Close() // that is the message
		s.leash = nil
	}
	return nil
}

// listen returns what is said on the line until the last process that could say something has ended.
func (s *Succession) listen() <-chan string {
	words := make(chan string)
	go func() {
		defer close(words)
		for sc := bufio.NewScanner(s.line); sc.Scan(); {
			words <- sc.Text()
		}
	}()
	return words
}
