"""The air, and the radio in the box: a Bluetooth controller that the machine's kernel sees as hci0.

Bumble's link and controller leave out some of what a real controller does and Linux counts on; it is added here.
"""

import asyncio
import os

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

import ledger

RSSI = -60
VENDOR_PACKET = 0xFF
ACTIVE = 1


class Air(LocalLink):
    """Carries everything between the controllers near each other."""

    def send_acl_data(self, sender_controller, destination_address, transport, data):
        """Bumble signs data with the sender's random address; Linux connects with its public one."""
        assert transport == PhysicalTransport.LE
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection and receiver:
            loop = asyncio.get_running_loop()
            loop.call_soon(receiver.on_link_acl_data, connection.self_address, transport, data)

    def send_ll_control_pdu(self, sender_address, receiver_address, packet):
        """A controller that was pulled out answers nobody."""
        if self.find_le_controller(receiver_address):
            super().send_ll_control_pdu(sender_address, receiver_address, packet)


class Plain(Controller):
    """A controller as cheap boxes and devices have it: Bluetooth 4.2, without the extended commands of 5."""

    hci_version = lmp_version = hci.HCI_VERSION_BLUETOOTH_CORE_4_2
    le_features = (
        hci.LeFeatureMask.LE_ENCRYPTION
        | hci.LeFeatureMask.EXTENDED_REJECT_INDICATION
        | hci.LeFeatureMask.PERIPHERAL_INITIATED_FEATURE_EXCHANGE
    )

    def lose_links(self):
        """Out of range or out of power: the other side notices by itself."""
        reason = hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR
        for connection in list(self.le_connections.values()):
            connection.send_ll_control_pdu(ll.TerminateInd(reason))
            self.on_le_disconnected(connection, reason)


class Radio(Plain):
    """The box's controller."""

    def __init__(self, air):
        self.accepted = set()
        super().__init__("radio", link=air, public_address="00:AA:01:00:00:42/P")

    def hears(self):
        return self.le_scan_enable and self.le_scanning_filter_policy == 0

    def on_ll_advertising_pdu(self, packet):
        if isinstance(packet, ll.AdvNonConnInd):
            kind = hci.HCI_LE_Advertising_Report_Event.EventType.ADV_NONCONN_IND
            self.report(packet.advertiser_address, packet.data, kind)
        else:
            super().on_ll_advertising_pdu(packet)

    def on_advertising_pdu(self, pdu):
        """A scanner asks for more, and Linux waits for that answer before it tells anybody. Bumble has none, and it
        connects only to one named address."""
        kinds = hci.HCI_LE_Advertising_Report_Event.EventType
        self.report(pdu.advertiser_address, pdu.data, kinds.ADV_IND)
        advertiser = self.link.find_le_controller(pdu.advertiser_address)
        if self.le_scan_type == ACTIVE and advertiser:
            self.report(pdu.advertiser_address, advertiser.le_legacy_advertiser.scan_response_data, kinds.SCAN_RSP)
        wanted = self.pending_le_connection
        if wanted is None:
            return
        if wanted.initiator_filter_policy == 1:
            if pdu.advertiser_address not in self.accepted:
                return
            wanted.peer_address = pdu.advertiser_address
        if wanted.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def report(self, address, data, event_type):
        if not self.le_scan_enable:
            return
        if self.le_scanning_filter_policy & 1 and address not in self.accepted:
            return
        report = hci.HCI_LE_Advertising_Report_Event.Report(
            event_type=event_type, address_type=address.address_type, address=address, data=data, rssi=RSSI
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))

    def on_hci_le_clear_filter_accept_list_command(self, command):
        self.accepted.clear()
        return super().on_hci_le_clear_filter_accept_list_command(command)

    def on_hci_le_add_device_to_filter_accept_list_command(self, command):
        self.accepted.add(command.address)
        return super().on_hci_le_add_device_to_filter_accept_list_command(command)

    def on_hci_le_remove_device_from_filter_accept_list_command(self, command):
        self.accepted.discard(command.address)
        return super().on_hci_le_remove_device_from_filter_accept_list_command(command)

    def on_hci_le_set_scan_enable_command(self, command):
        heard = self.hears()
        answer = super().on_hci_le_set_scan_enable_command(command)
        if self.hears() != heard:
            ledger.note("scanning", on=self.hears())
        return answer

    def on_hci_le_create_connection_command(self, command):
        super().on_hci_le_create_connection_command(command)
        ledger.note("connecting", device=str(command.peer_address).split("/")[0])

    def on_hci_le_create_connection_cancel_command(self, command):
        """A real controller ends the attempt and says so, after the command is complete."""
        given_up, self.pending_le_connection = self.pending_le_connection, None
        if given_up is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        ledger.note("connecting_given_up", device=str(given_up.peer_address).split("/")[0])
        end = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=given_up.peer_address_type,
            peer_address=given_up.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        asyncio.get_running_loop().call_soon(self.send_hci_packet, end)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_reset_command(self, command):
        self.lose_links()
        if self.hears():
            ledger.note("scanning", on=False)
        self.le_scan_enable = False
        self.pending_le_connection = None
        self.accepted.clear()
        return super().on_hci_reset_command(command)


class Socket:
    """Where the radio is plugged in: /dev/vhci, which gives and takes one packet at a time."""

    def __init__(self, air):
        self.air = air
        self.radio = None

    def plug_in(self):
        assert self.radio is None, "there is a radio already"
        self.file = os.open("/dev/vhci", os.O_RDWR | os.O_NONBLOCK)
        self.radio = Radio(self.air)
        self.radio.host = self
        os.write(self.file, bytes([VENDOR_PACKET, 0]))
        asyncio.get_running_loop().add_reader(self.file, self.from_kernel)
        ledger.note("radio", there=True)

    def pull_out(self):
        radio, self.radio = self.radio, None
        asyncio.get_running_loop().remove_reader(self.file)
        os.close(self.file)
        radio.host = None
        radio.lose_links()
        self.air.remove_controller(radio)
        ledger.note("radio", there=False)

    def hears(self):
        return self.radio is not None and self.radio.hears()

    def from_kernel(self):
        try:
            packet = os.read(self.file, 4096)
        except BlockingIOError:
            return
        if packet and packet[0] != VENDOR_PACKET:
            self.radio.on_packet(packet)

    def on_packet(self, packet):
        """To the kernel; a packet that was on its way when the radio was pulled out is lost."""
        if self.radio is not None:
            os.write(self.file, packet)
