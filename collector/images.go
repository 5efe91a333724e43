package collector

import (
	"bufio"
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/telcol/telcol/correlate"
)

// images keeps the routes of a worker's devices over a restart: one file a device beside its state file, written anew in the background
// when its routes have changed, and at the stop. The owner makes the octets in slices, a goroutine of the worker writes them. A
// nil images keeps nothing.
type images struct {
	dir    string
	log    *slog.Logger
	every  time.Duration // at the least between two images of a device; 0: only at the stop
	chunks chan imageChunk
	free   chan []byte

	current *correlate.Image // the owner's
	first   bool             // nothing of current was written yet

	written, failed atomic.Uint64
	again           unsaved
	warn            *sampled // of writes
}

// imageChunk is an order to the writer. The parts of a file follow each other; removals of others may come between.
type imageChunk struct {
	kind   chunkKind
	device netip.Addr
	data   []byte // a buffer, which goes back to free
	first  bool   // the file begins with it
}

type chunkKind uint8

const (
	chunkPart   chunkKind = iota // of a file
	chunkEnd                     // the last part
	chunkDrop                    // the file under way is not to be kept
	chunkRemove                  // the device's file goes
)

const (
	imageSuffix   = ".rib"
	imageSlice    = 10_000                 // routes of an image made in one go: two milliseconds, every tick
	imageBuffers  = 4                      // slices between the owner and the disk; each grows to what a slice takes
	imagePatience = 4 * time.Second        // how long the stop may write images
	imageRemovals = 64                     // removals waiting beside them
	imageWait     = 100 * time.Millisecond // for the disk, at the stop
)

func newImages(cfg *Config, s *stateDir) *images {
	if s == nil {
		return nil
	}
	m := &images{
		dir: s.dir, log: s.log, warn: newSampled(s.log), every: cfg.ImageInterval,
		chunks: make(chan imageChunk, imageBuffers+imageRemovals), free: make(chan []byte, imageBuffers),
	}
	for range imageBuffers {
		m.free <- nil
	}
	return m
}

// load takes up all images of the directory. One that cannot be taken up is set aside with a warning.
func (m *images) load(c *correlate.Correlator, owned *ownership, now time.Time) {
	if m == nil {
		return
	}
	files, err := os.ReadDir(m.dir)
	if err != nil {
		m.log.Warn("routes not loaded", "dir", m.dir, "err", err)
		return
	}
	began, devices, routes := time.Now(), 0, 0
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), imageSuffix)
		device, err := netip.ParseAddr(name)
		if !ok || err != nil || !owned.owns(device) || c.Canonical(device) != device {
			continue
		}
		n, err := m.loadFile(c, device, f.Name(), now)
		if err != nil {
			m.log.Warn("routes of a device set aside", "file", f.Name(), "err", err)
			path := filepath.Join(m.dir, f.Name())
			if err := os.Rename(path, path+badSuffix); err != nil {
				m.log.Warn("file of routes not set aside", "file", f.Name(), "err", err)
			}
			continue
		}
		devices++
		routes += n
	}
	m.log.Info("routes loaded as stale", "devices", devices, "routes", routes, "took", time.Since(began).Round(time.Millisecond))
}

func (m *images) loadFile(c *correlate.Correlator, device netip.Addr, name string, now time.Time) (int, error) {
	f, err := os.Open(filepath.Join(m.dir, name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return c.RestoreRIB(device, bufio.NewReaderSize(f, 1<<20), now.UnixNano())
}

// tick makes the next slice of an image if the disk has kept up with those before. The owner calls it.
func (m *images) tick(c *correlate.Correlator, now time.Time) {
	if m == nil || m.every <= 0 {
		return
	}
	select {
	case buf := <-m.free:
		if !m.slice(c, buf, now, now.Add(-m.every)) {
			m.free <- buf
		}
	default:
	}
}

// slice makes the next slice of an image into buf and hands it over. It reports whether there was one to make.
func (m *images) slice(c *correlate.Correlator, buf []byte, now, since time.Time) bool {
	if m.current == nil {
		m.again.each(func(device netip.Addr) { c.SaveAgain(device, true) })
		m.current, m.first = c.NextImage(now.UnixNano(), since.UnixNano(), m.forget), true
		if m.current == nil {
			return false
		}
	}
	data, more := m.current.Append(buf[:0], imageSlice)
	chunk := imageChunk{kind: chunkPart, device: m.current.Device, data: data, first: m.first}
	switch {
	case !m.current.Whole():
		chunk.kind = chunkDrop
	case !more:
		chunk.kind = chunkEnd
	}
	m.chunks <- chunk
	m.first = false
	if chunk.kind != chunkPart {
		m.current = nil
	}
	return true
}

// forget removes the image of a device. The owner calls it; a full queue leaves the file, whose routes are then taken up once more as
// stale and go with the timeout.
func (m *images) forget(device netip.Addr) {
	if m == nil || len(m.chunks) >= imageRemovals {
		return
	}
	m.chunks <- imageChunk{kind: chunkRemove, device: device}
}

// finish writes the images of all devices that have changed, as long as there is patience for it, and ends the writer. The owner
// calls it last.
func (m *images) finish(c *correlate.Correlator) {
	if m == nil {
		return
	}
	defer close(m.chunks)
	now := time.Now()
	for deadline := now.Add(imagePatience); ; {
		select {
		case buf := <-m.free:
			if !m.slice(c, buf, now, now) {
				return
			}
		case <-time.After(imageWait):
		}
		if time.Now().After(deadline) {
			m.log.Warn("not all routes were saved in time, the images before stay", "patience", imagePatience)
			if m.current != nil {
				m.chunks <- imageChunk{kind: chunkDrop, device: m.current.Device}
			}
			return
		}
	}
}

// leave ends the writer without the rest of the image under way: another process has taken the directory over.
func (m *images) leave() {
	if m == nil {
		return
	}
	if m.current != nil {
		m.chunks <- imageChunk{kind: chunkDrop, device: m.current.Device}
	}
	close(m.chunks)
}

// run writes until finish or leave.
func (m *images) run() {
	var under imageFile
	for chunk := range m.chunks {
		path := filepath.Join(m.dir, chunk.device.WithZone("").String()+imageSuffix)
		switch chunk.kind {
		case chunkRemove:
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				m.log.Warn("file of routes not removed", "file", path, "err", err)
			}
			continue
		case chunkDrop:
			under.drop()
		case chunkPart:
			under.write(path, &chunk)
		case chunkEnd:
			under.write(path, &chunk)
			if err := under.keep(); err != nil {
				m.again.add(chunk.device)
				m.failed.Add(1)
				m.warn.warn("routes of a device not saved", slog.String("file", path), slog.Any("err", err))
			} else {
				m.written.Add(1)
			}
		}
		select {
		case m.free <- chunk.data:
		default: // the order came without a buffer
		}
	}
}

// imageFile is the file under way. An error stays until the file ends.
type imageFile struct {
	path string
	f    *os.File
	err  error
}

func (w *imageFile) write(path string, chunk *imageChunk) {
	if chunk.first {
		w.path = path
		w.f, w.err = createState(path + tempSuffix)
	}
	if w.err == nil {
		_, w.err = w.f.Write(chunk.data)
	}
}

// keep puts the file in the place of the one before: a crash leaves the old or the new one, and a file that the system's crash
// left half written fails its checksums.
func (w *imageFile) keep() error {
	if w.f != nil {
		w.err = errors.Join(w.err, w.f.Close())
	}
	if w.err == nil {
		w.err = os.Rename(w.path+tempSuffix, w.path)
	}
	err := w.err
	if err != nil {
		os.Remove(w.path + tempSuffix)
	}
	*w = imageFile{}
	return err
}

func (w *imageFile) drop() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.path + tempSuffix)
	}
	*w = imageFile{}
}
