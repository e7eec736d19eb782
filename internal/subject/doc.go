// Package subject knows the grammar of NATS subjects and when a pattern matches
// one.
//
//	subject = token *( "." token )
//	token   = 1*byte            ; any byte but "." and the four blanks
//	blank   = " " / TAB / CR / LF
//
//	pattern = [ ( token / "*" ) *( "." ( token / "*" ) ) "." ] ">"
//	        / ( token / "*" ) *( "." ( token / "*" ) )
//
// A publisher names a subject, a subscriber a pattern. In a pattern the token
// "*" stands for exactly one token, and the token ">", which must be the last,
// for one or more. Both are special only as whole tokens: "foo*", "foo.*bar" and
// "foo>" are literal. Case matters, bytes need not be UTF-8, and nothing here
// limits the length: the protocol's control line does.
//
//	pattern   matches                not
//	foo.*     foo.bar                foo  foo.bar.baz
//	foo.>     foo.bar  foo.bar.baz   foo
//	*.bar     foo.bar                bar
//	>         anything
//	foo*      foo*                   foobar
//
// A broker does not refuse a publish to what is not a subject. It goes nowhere
// if a token is empty, and a publish to "foo.*" is delivered literally, to the
// subscribers of "foo.*", "foo.>", "*.*", "*.>" and ">". [Match] does the same.
//
// The functions take strings and byte slices alike and allocate nothing, but for
// the errors of [Check] and [CheckPattern].
package subject
