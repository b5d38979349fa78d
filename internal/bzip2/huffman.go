package bzip2

// encodeLimit is the longest code that the encoder makes; the format allows maxCodeLen.
const encodeLimit = 17

// codeLengths sets the Huffman code length of each symbol of the given frequencies. As in libbz2, every symbol gets a
// code, equal weights are taken in favour of flat trees, and codes over the limit are shortened by scaling the
// frequencies down.
func codeLengths(lens []uint8, freq []int32) {
	var h huffman
	for i, f := range freq {
		h.weight[i] = uint32(max(f, 1)) << depthBits
	}
	for !h.build(lens) {
		for i := range lens {
			h.weight[i] = (h.weight[i]>>depthBits/2 + 1) << depthBits
		}
	}
}

// depthBits of a node's weight are its height, which decides between equal frequencies.
const (
	depthBits = 8
	depthMask = 1<<depthBits - 1
)

type huffman struct {
	weight [2 * maxSymbols]uint32
	parent [2 * maxSymbols]int16
	heap   [maxSymbols]int16 // nodes without a parent, the lightest first
	size   int
}

// build merges the two lightest nodes until one is left and says whether all codes are within the limit.
func (h *huffman) build(lens []uint8) bool {
	h.size = 0
	for i := range lens {
		h.push(int16(i))
	}
	nodes := len(lens)
	for h.size > 1 {
		a, b := h.pop(), h.pop()
		h.parent[a], h.parent[b] = int16(nodes), int16(nodes)
		wa, wb := h.weight[a], h.weight[b]
		h.weight[nodes] = (wa&^depthMask + wb&^depthMask) | (1 + max(wa&depthMask, wb&depthMask))
		h.push(int16(nodes))
		nodes++
	}
	var depth [2 * maxSymbols]uint8 // of the root 0; parents have higher numbers than their children
	ok := true
	for i := nodes - 2; i >= 0; i-- {
		d := depth[h.parent[i]] + 1
		depth[i] = d
		if i < len(lens) {
			lens[i] = d
			ok = ok && d <= encodeLimit
		}
	}
	return ok
}

func (h *huffman) push(x int16) {
	i := h.size
	h.size++
	for i > 0 && h.weight[x] < h.weight[h.heap[(i-1)/2]] {
		h.heap[i] = h.heap[(i-1)/2]
		i = (i - 1) / 2
	}
	h.heap[i] = x
}

func (h *huffman) pop() int16 {
	top := h.heap[0]
	h.size--
	x := h.heap[h.size]
	i := 0
	for {
		c := 2*i + 1
		if c >= h.size {
			break
		}
		if c+1 < h.size && h.weight[h.heap[c+1]] < h.weight[h.heap[c]] {
			c++
		}
		if h.weight[x] <= h.weight[h.heap[c]] {
			break
		}
		h.heap[i] = h.heap[c]
		i = c
	}
	h.heap[i] = x
	return top
}
