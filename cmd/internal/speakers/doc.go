// Package speakers holds the tests against BGP speakers that others wrote: FRR and GoBGP tell a telcol worker their routes by BMP, and
// ExaBGP gives them the routes. What telcol's looking glass shows must be what the speaker itself reports, view by view, through
// announcements, withdrawals, a policy, resets of the BGP and of the BMP session, ADD-PATH, labelled and VPN routes.
//
// The tests need root, and install the programs where they can; see package daemons. They have no code of the product.
package speakers
