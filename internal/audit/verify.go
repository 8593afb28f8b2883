package audit

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// What is signed beside the records.
const (
	headWord     = "head"
	anchorWord   = "anchor"
	registerWord = "register"
)

// Head is the end of a chain, kept apart from the records, so that those at the end can't vanish.
type Head struct {
	Link

	Started   time.Time
	KeyID     string // of the chain, with which its records are hashed, too
	Signature string
	Anchor    Anchor
}

// Sign signs the head with the chain's key.
func (h *Head) Sign(k Key) { h.Signature = k.Sign(headWord, h.numbers(), h.Hash) }

func (h *Head) numbers() []int64 { return []int64{h.Chain, h.Seq, h.Started.UnixMicro()} }

// Anchor is the last record that was dropped from the start of a chain because of its age. The zero value is none.
type Anchor struct {
	Link

	KeyID     string
	Signature string
}

// Sign signs the anchor.
func (a *Anchor) Sign(k Key) {
	a.KeyID, a.Signature = k.ID, k.Sign(anchorWord, []int64{a.Chain, a.Seq}, a.Hash)
}

// Sound reports whether the anchor is what this server wrote.
func (a *Anchor) Sound(keys Keys) bool {
	k, ok := keys.Find(a.KeyID)
	return ok && k.Signed(a.Signature, anchorWord, []int64{a.Chain, a.Seq}, a.Hash)
}

// Register says which chains there are. The zero value is that of a trail without chains.
type Register struct {
	Newest    int64 // the number of the newest chain
	Oldest    int64 // chains up to this one are dropped, with all their records
	Unchained int64 // records up to this id are older than the chains, and may be in none
	KeyID     string
	Signature string
}

// Sign signs the register.
func (r *Register) Sign(k Key) {
	r.KeyID, r.Signature = k.ID, k.Sign(registerWord, []int64{r.Newest, r.Oldest, r.Unchained})
}

// Sound reports whether the register is what this server wrote.
func (r *Register) Sound(keys Keys) bool {
	k, ok := keys.Find(r.KeyID)
	return ok && k.Signed(r.Signature, registerWord, []int64{r.Newest, r.Oldest, r.Unchained})
}

// State is what is kept beside the records.
type State struct {
	Register Register
	Heads    []Head
}

// anchor returns where the chain starts; zero where it has lost nothing, or is not there.
func (s State) anchor(chain int64) Anchor {
	for _, h := range s.Heads {
		if h.Chain == chain {
			return h.Anchor
		}
	}
	return Anchor{}
}

// dropped reports whether the record was dropped because of its age, with its chain or before what is left of it.
func (s State) dropped(keys Keys, chain, seq int64) bool {
	if slices.ContainsFunc(s.Heads, func(h Head) bool { return h.Chain == chain }) {
		at := s.anchor(chain)
		return at.Seq >= seq && at.Sound(keys)
	}
	return chain <= s.Register.Oldest && s.Register.Sound(keys)
}

// Trail is what can be verified.
type Trail interface {
	// AuditState returns what is kept beside the records, as it was at one moment.
	AuditState(ctx context.Context) (State, error)
	// AuditRecords returns all records in the order of their ids.
	AuditRecords(ctx context.Context) iter.Seq2[Record, error]
}

// Fault is a place where the trail is not as it was written.
type Fault struct {
	ID    int64  `json:"id,omitempty"` // of the record; 0 where there is none to point at
	Chain int64  `json:"chain,omitempty"`
	Seq   int64  `json:"seq,omitempty"`
	What  string `json:"what"`
}

// Mark is the end of a chain as somebody saw it: kept elsewhere, it proves later that nothing up to it has changed.
type Mark struct {
	Chain int64  `json:"chain"`
	Seq   int64  `json:"seq"`
	Hash  string `json:"hash"`
}

// Report is what a verification found.
type Report struct {
	Records   int64   `json:"records"`   // that were looked at
	Unchained int64   `json:"unchained"` // of them, those that are older than the chains
	Heads     []Mark  `json:"heads"`
	Faults    []Fault `json:"faults"`
}

// maxFaults is how many faults are told: more say nothing more.
const maxFaults = 20

// Verify follows each chain from its start to the end that it had when Verify began, and tells where it is broken.
// Records that come or are dropped meanwhile are no fault. marks are ends that were seen earlier. progress is told how many
// records have been looked at; it may be nil.
func Verify(ctx context.Context, trail Trail, keys Keys, marks []Mark, progress func(n int64)) (Report, error) {
	state, err := trail.AuditState(ctx)
	if err != nil {
		return Report{}, err
	}
	v := &verification{trail: trail, keys: keys, register: state.Register, chains: map[int64]*walk{}, late: map[int64]Record{}, report: Report{Heads: []Mark{}, Faults: []Fault{}}}
	v.begin(state, marks)
	for r, err := range trail.AuditRecords(ctx) {
		if err != nil {
			return Report{}, err
		}
		if err := v.record(ctx, r); err != nil {
			return Report{}, err
		}
		if v.report.Records++; progress != nil {
			progress(v.report.Records)
		}
	}
	return v.report, v.end(ctx, marks)
}

// verification is one run of Verify.
type verification struct {
	trail    Trail
	keys     Keys
	register Register
	chains   map[int64]*walk
	late     map[int64]Record // the last record of each chain that came after the verification began
	report   Report
}

// walk is how far a chain has been followed.
type walk struct {
	head  Head
	key   Key
	at    Link
	marks map[int64]string // hashes that were seen earlier, by number
}

func (v *verification) fault(f Fault) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, f)
	}
}

func (v *verification) begin(state State, marks []Mark) {
	if v.register != (Register{}) && !v.register.Sound(v.keys) {
		v.fault(Fault{What: "the register of chains was changed, or written with a key that is not here"})
	}
	for _, h := range state.Heads {
		w := &walk{head: h, at: Link{Chain: h.Chain}, marks: map[int64]string{}}
		var known bool
		if w.key, known = v.keys.Find(h.KeyID); !known {
			v.fault(Fault{Chain: h.Chain, What: "the chain was written with a key that is not here"})
		} else if !w.key.Signed(h.Signature, headWord, h.numbers(), h.Hash) {
			v.fault(Fault{Chain: h.Chain, Seq: h.Seq, What: "the chain's end was changed"})
		}
		if h.Chain > v.register.Newest {
			v.fault(Fault{Chain: h.Chain, What: "the chain is not in the register"})
		}
		if h.Anchor.Seq > 0 {
			if !h.Anchor.Sound(v.keys) {
				v.fault(Fault{Chain: h.Chain, Seq: h.Anchor.Seq, What: "where the chain starts was changed"})
			}
			w.at = h.Anchor.Link
		}
		v.chains[h.Chain] = w
		v.report.Heads = append(v.report.Heads, Mark{h.Chain, h.Seq, h.Hash})
	}
	for n := v.register.Oldest + 1; n <= v.register.Newest && len(v.report.Faults) < maxFaults; n++ {
		if v.chains[n] == nil {
			v.fault(Fault{Chain: n, What: "the chain is gone"})
		}
	}
	for _, m := range marks {
		if w := v.chains[m.Chain]; w != nil {
			w.marks[m.Seq] = m.Hash
		}
	}
}

// record looks at one record.
func (v *verification) record(ctx context.Context, r Record) error {
	w := v.chains[r.Link.Chain]
	switch {
	case r.Link.Chain == 0 && r.ID <= v.register.Unchained:
		v.report.Unchained++
		return nil
	case r.Link.Chain == 0:
		v.fault(Fault{ID: r.ID, What: "the record is in no chain: it was not written by this server, or by an older one beside it"})
		return nil
	case w == nil && r.Link.Chain > v.register.Newest:
		v.behind(r)
		return nil
	case w == nil:
		v.fault(Fault{ID: r.ID, Chain: r.Link.Chain, Seq: r.Link.Seq, What: "the record's chain is not there"})
		return nil
	case r.Link.Seq > w.head.Seq:
		v.behind(r)
		return nil
	}
	if r.Link.Seq != w.at.Seq+1 {
		if err := v.gap(ctx, w, r); err != nil {
			return err
		}
	}
	if r.Link.Seq == w.at.Seq+1 && w.key.Next(w.at, r) != r.Link {
		v.fault(Fault{ID: r.ID, Chain: r.Link.Chain, Seq: r.Link.Seq, What: "the record, or one before it, was changed"})
	}
	w.at = r.Link // one fault is told once
	w.check(v, r)
	return nil
}

// behind notes a record that came after the verification began, or claims to. It is not followed: one may be seen before
// another that was kept earlier.
func (v *verification) behind(r Record) {
	if last, there := v.late[r.Link.Chain]; !there || last.Link.Seq < r.Link.Seq {
		v.late[r.Link.Chain] = r
	}
}

// check holds a record against what is known of it from elsewhere.
func (w *walk) check(v *verification, r Record) {
	hash, marked := w.marks[r.Link.Seq]
	if marked && hash != r.Link.Hash {
		v.fault(Fault{ID: r.ID, Chain: r.Link.Chain, Seq: r.Link.Seq, What: "the record is not the one that was seen earlier"})
	}
	delete(w.marks, r.Link.Seq)
	if r.Link.Seq == w.head.Seq && r.Link.Hash != w.head.Hash {
		v.fault(Fault{ID: r.ID, Chain: r.Link.Chain, Seq: r.Link.Seq, What: "the last record of the chain is not the one that was written"})
	}
}

// gap looks why a record does not follow the one before: its chain may have lost its start to its age meanwhile.
func (v *verification) gap(ctx context.Context, w *walk, r Record) error {
	state, err := v.trail.AuditState(ctx)
	if err != nil {
		return err
	}
	if at := state.anchor(r.Link.Chain); at.Seq == r.Link.Seq-1 && at.Seq > w.at.Seq && at.Sound(v.keys) {
		w.at = at.Link
		return nil
	}
	if r.Link.Seq > w.at.Seq && state.dropped(v.keys, r.Link.Chain, r.Link.Seq) {
		return nil // it is gone itself since it was read, and so is what it would be held against
	}
	what := fmt.Sprintf("records %d to %d of the chain, before this one, are gone", w.at.Seq+1, r.Link.Seq-1)
	if r.Link.Seq <= w.at.Seq {
		what = "the record stands where it does not belong"
	}
	v.fault(Fault{ID: r.ID, Chain: r.Link.Chain, Seq: r.Link.Seq, What: what})
	return nil
}

// end sees that each chain has been followed to its end. What came or went meanwhile is held against what is kept beside
// the records now.
func (v *verification) end(ctx context.Context, marks []Mark) error {
	state, err := v.trail.AuditState(ctx)
	if err != nil {
		return err
	}
	now := map[int64]Head{}
	for _, h := range state.Heads {
		now[h.Chain] = h
	}
	dropped := func(chain, seq int64) bool { return state.dropped(v.keys, chain, seq) }
	for _, mark := range v.report.Heads { // in the order of the chains
		w := v.chains[mark.Chain]
		if w.at.Seq < w.head.Seq && !dropped(mark.Chain, mark.Seq) {
			v.fault(Fault{Chain: mark.Chain, Seq: w.at.Seq + 1, What: fmt.Sprintf("the last records of the chain, from %d to %d, are gone", w.at.Seq+1, w.head.Seq)})
		}
	}
	for chain, r := range v.late {
		h, there := now[chain]
		if key, ok := v.keys.Find(h.KeyID); !there || !ok || h.Seq < r.Link.Seq || !key.Signed(h.Signature, headWord, h.numbers(), h.Hash) {
			v.fault(Fault{ID: r.ID, Chain: chain, Seq: r.Link.Seq, What: "the record stands behind the end of its chain"})
		}
	}
	for _, m := range marks {
		w := v.chains[m.Chain]
		unseen := w == nil
		if w != nil {
			_, unseen = w.marks[m.Seq]
		}
		if unseen && !dropped(m.Chain, m.Seq) {
			v.fault(Fault{Chain: m.Chain, Seq: m.Seq, What: "the record that was seen earlier at this place is gone"})
		}
	}
	if state.Register == (Register{}) && v.report.Records > 0 && len(v.report.Faults) == 0 {
		v.fault(Fault{What: "no record is in a chain: the register of chains is gone, or no server has written since the chains were introduced"})
	}
	return nil
}
