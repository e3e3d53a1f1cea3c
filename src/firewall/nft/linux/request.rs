//! Encodes requests to nftables. Messages and attributes are those of
//! linux/netfilter/nfnetlink.h and linux/netfilter/nf_tables.h.
#![forbid(unsafe_code)]

use std::net::IpAddr;

use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage,
};
use netlink_packet_netfilter::nftables::{
    ChainMessage, DataAttribute, GenMessage, ListAttribute, NfTablesMessage, SetAttribute,
    SetElementAttribute, SetElementFlags, SetElementList, SetElementMessage, SetMessage,
    TableAttribute, TableMessage,
};
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
};
use nix::libc;

use super::reply::Element;
use super::set::Set;

/// Encodes one message. All messages of a request have the same sequence number,
/// and so has its answer.
fn encode(
    inner: impl Into<NetfilterMessageInner>,
    family: NetfilterProtoFamily,
    resource: u16,
    flags: u16,
    sequence: u32,
) -> Vec<u8> {
    let header = NetfilterHeader::new(family, 0, resource);
    let mut message = NetlinkMessage::from(NetfilterMessage::new(header, inner));
    message.header.flags = NLM_F_REQUEST | flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn get(message: NfTablesMessage, flags: u16, sequence: u32) -> Vec<u8> {
    encode(message, NetfilterProtoFamily::Inet, 0, flags, sequence)
}

/// Asks for the generation, which every change of the ruleset raises.
pub fn get_generation(sequence: u32) -> Vec<u8> {
    get(NfTablesMessage::GetGen(GenMessage { attributes: vec![] }), NLM_F_ACK, sequence)
}

/// Asks for a table.
pub fn get_table(table: &str, sequence: u32) -> Vec<u8> {
    let attributes = vec![TableAttribute::Name(table.to_owned())];
    get(NfTablesMessage::GetTable(TableMessage { attributes }), NLM_F_ACK, sequence)
}

/// Asks for all chains of the family inet.
pub fn get_chains(sequence: u32) -> Vec<u8> {
    get(NfTablesMessage::GetChain(ChainMessage { attributes: vec![] }), NLM_F_DUMP, sequence)
}

/// Asks for the type and the flags of a set.
pub fn get_set(set: &Set, sequence: u32) -> Vec<u8> {
    let attributes =
        vec![SetAttribute::Table(set.table.clone()), SetAttribute::Name(set.name.clone())];
    get(NfTablesMessage::GetSet(SetMessage { attributes }), NLM_F_ACK, sequence)
}

fn names(set: &Set) -> Vec<SetElementList> {
    vec![SetElementList::Table(set.table.clone()), SetElementList::Set(set.name.clone())]
}

/// Asks for all elements of a set.
pub fn get_elements(set: &Set, sequence: u32) -> Vec<u8> {
    let attributes = names(set);
    get(NfTablesMessage::GetSetElement(SetElementMessage { attributes }), NLM_F_DUMP, sequence)
}

/// Names some elements of a set.
fn some(set: &Set, elements: &[Element]) -> SetElementMessage {
    let element = |element: &Element| {
        let key = match element.address? {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let mut attributes = vec![SetElementAttribute::Key(DataAttribute::Value(key))];
        if !element.is_start {
            attributes.push(SetElementAttribute::Flags(SetElementFlags::IntervalEnd));
        }
        Some(ListAttribute::Element(attributes))
    };
    let list = elements.iter().filter_map(element).collect();
    let mut attributes = names(set);
    attributes.push(SetElementList::Elements(list));
    SetElementMessage { attributes }
}

/// Asks for some elements of a set, or for those of the intervals around them.
pub fn get_some(set: &Set, elements: &[Element], sequence: u32) -> Vec<u8> {
    get(NfTablesMessage::GetSetElement(some(set, elements)), NLM_F_ACK, sequence)
}

/// A change of elements, of all or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Add them; EEXIST if one is there.
    Add,
    /// Add those that are not there.
    AddMissing,
    /// Delete them.
    Delete,
}

/// Makes a change, if the ruleset is still of `generation`.
pub fn change(
    change: Change,
    set: &Set,
    elements: &[Element],
    generation: u32,
    sequence: u32,
) -> Vec<u8> {
    let elements = some(set, elements);
    let (message, flags) = match change {
        Change::Add => (NfTablesMessage::NewSetElement(elements), NLM_F_CREATE | NLM_F_EXCL),
        Change::AddMissing => (NfTablesMessage::NewSetElement(elements), NLM_F_CREATE),
        Change::Delete => (NfTablesMessage::DeleteSetElement(elements), 0),
    };
    let generation =
        DefaultNla::new(libc::NFNL_BATCH_GENID as u16, generation.to_be_bytes().to_vec());
    let mut batch = control(libc::NFNL_MSG_BATCH_BEGIN, vec![generation], sequence);
    batch.extend(get(message, NLM_F_ACK | flags, sequence));
    batch.extend(control(libc::NFNL_MSG_BATCH_END, vec![], sequence));
    batch
}

/// The message at the beginning or the end of a batch. Its resource is the
/// subsystem of the batch.
fn control(kind: i32, attributes: Vec<DefaultNla>, sequence: u32) -> Vec<u8> {
    let message = ControlMessage::Other { message_type: kind as u8, attributes };
    let subsystem = libc::NFNL_SUBSYS_NFTABLES as u16;
    encode(message, NetfilterProtoFamily::Unspec, subsystem, 0, sequence)
}
