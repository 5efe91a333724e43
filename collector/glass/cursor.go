package glass

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
)

// cursor is the place behind the last line of a page. It holds keys, so that it survives whatever happens to the lines.
type cursor struct {
	Run    int64  `json:"r"`
	Page   string `json:"p"`
	Device string `json:"d,omitempty"`
	Table  uint64 `json:"t,omitempty"` // routes: rib.Scan.Table
	Last   string `json:"l,omitempty"` // the key of the last line
}

// readCursor takes the cursor parameter, which must be of this page of this worker's run.
func (rq *request) readCursor(text string) error {
	if text == "" {
		return nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &rq.cursor) != nil {
		return badf("cursor %.80q was not given by a page", text)
	}
	switch c := &rq.cursor; {
	case c.Run != rq.glass.run:
		return &failure{http.StatusGone, "the cursor is of an earlier run of the worker, start again without it"}
	case c.Page != rq.page.pattern || c.Device != rq.deviceText():
		return badf("the cursor is of another page")
	}
	return nil
}

func (rq *request) deviceText() string {
	if rq.device.IsValid() {
		return rq.device.String()
	}
	return ""
}

// cursorAt gives the text of a place.
func (rq *request) cursorAt(table uint64, last string) string {
	b, err := json.Marshal(cursor{rq.glass.run, rq.page.pattern, rq.deviceText(), table, last})
	if err != nil {
		panic(err) // numbers and strings
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// afterKey reads the place of a cursor that is a key of a list, nil without a cursor.
func afterKey[K any](rq *request) (*K, error) {
	if rq.cursor.Last == "" {
		return nil, nil
	}
	key := new(K)
	if json.Unmarshal([]byte(rq.cursor.Last), key) != nil {
		return nil, badf("the cursor is damaged")
	}
	return key, nil
}

// nextAfter leads behind the last of the keys that are on this page, if there are more.
func nextAfter[K any](rq *request, part []K, more bool) (Next, error) {
	if !more {
		return Next{}, nil
	}
	last, err := json.Marshal(part[len(part)-1])
	return Next{rq.cursorAt(0, string(last))}, err
}

// pageOf sorts a list and returns the part of it that this page shows, from behind the key after (nil: from the beginning), and whether more
// follows.
func pageOf[T any](list []T, compare func(a, b T) int, after *T, limit int) (part []T, more bool) {
	slices.SortFunc(list, compare)
	if after != nil {
		from, found := slices.BinarySearchFunc(list, *after, compare)
		if found {
			from++
		}
		list = list[from:]
	}
	if len(list) > limit {
		return list[:limit], true
	}
	return list, false
}
